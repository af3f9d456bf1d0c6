//! Names what the target's kqueue has, once for the whole workspace.
//!
//! The capabilities become `cfg`s here (`#[cfg(has_user)]`) and, through cargo's `links` metadata
//! (`DEP_KQ_SYS_HAS`), in the crates above, whose build scripts pass them on.

fn main() {
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let apple = std::env::var("CARGO_CFG_TARGET_VENDOR").as_deref() == Ok("apple");
    let system = if apple { "apple" } else { os.as_str() };
    let netbsd11 = system == "netbsd" && std::env::var_os("CARGO_FEATURE_NETBSD11").is_some();

    // Every capability, with the systems that have it, after the headers that the tables in src/ name.
    const CAPABILITIES: &[(&str, &[&str])] = &[
        // one name a system
        ("freebsd", &["freebsd"]),
        ("netbsd", &["netbsd"]),
        ("openbsd", &["openbsd"]),
        ("dragonfly", &["dragonfly"]),
        ("apple", &["apple"]),
        ("linux", &["linux"]),
        // constants under FreeBSD's names and values: FreeBSD itself and kq-sys's own Linux side
        ("freebsd_abi", &["freebsd", "linux"]),
        // filters
        ("has_empty", &["freebsd", "linux", "netbsd"]),
        ("has_except", &["openbsd", "dragonfly", "apple"]),
        ("has_user", &["freebsd", "linux", "netbsd", "openbsd", "dragonfly", "apple"]),
        ("has_fs", &["freebsd", "netbsd", "dragonfly", "apple"]),
        ("has_procdesc", &["freebsd"]),
        ("has_aio", &["freebsd"]),
        ("has_jail", &["freebsd"]),
        ("has_device", &["openbsd"]),
        ("has_machport", &["apple"]),
        ("has_vm", &["apple"]),
        // notes
        ("has_file_poll", &["freebsd", "linux"]),
        ("has_note_eof", &["openbsd"]),
        ("has_nodata", &["linux"]),
        ("has_open_close", &["freebsd", "linux", "netbsd"]),
        ("has_track", &["freebsd", "netbsd", "openbsd", "dragonfly"]),
        ("has_timer_units", &["freebsd", "linux", "netbsd", "openbsd", "apple"]),
        ("has_abstime", &["freebsd", "linux", "netbsd", "openbsd", "apple"]),
        // struct and calls
        ("kevent64", &["apple"]),
        ("has_ext", &["freebsd", "apple"]),
    ];

    let mut names = Vec::new();
    for (name, systems) in CAPABILITIES {
        println!("cargo:rustc-check-cfg=cfg({name})");
        let has = systems.contains(&system) || (netbsd11 && *name == "has_ext");
        if has {
            println!("cargo:rustc-cfg={name}");
        }
        names.push(format!("{name}={}", u8::from(has)));
    }
    println!("cargo:has={}", names.join(","));
    println!("cargo:rerun-if-changed=build.rs");
}
