//! Passes the capabilities of the target's kqueue on as `cfg`s; they are decided in kq-sys's build script.

fn main() {
    let has = std::env::var("DEP_KQ_SYS_HAS").expect("kq-sys tells what the target's kqueue has");
    for (name, value) in has.split(',').filter_map(|entry| entry.split_once('=')) {
        println!("cargo:rustc-check-cfg=cfg({name})");
        if value == "1" {
            println!("cargo:rustc-cfg={name}");
        }
    }
    // Set by who runs the models of the store.
    println!("cargo:rustc-check-cfg=cfg(loom)");
    println!("cargo:rerun-if-changed=build.rs");
}
