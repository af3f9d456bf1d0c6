//! kq-typed beside the layers below it, by criterion: `cargo bench -p kq-typed --bench layers [-- FAMILY]`.
//!
//! The questions are those of kq's `rivals`.

#[path = "../../kq/benches/shared/mod.rs"]
mod shared;
mod typed;

fn main() {
    if !shared::echo::be_client() {
        shared::harness::run::<typed::Layers>();
    }
}
