//! kq beside its rivals, by criterion: `cargo bench -p kq --bench rivals [-- FAMILY]`.
//!
//! Each group is a question, each line a contender and a value of the question's number. Contenders run one after
//! another; the ratios in BENCHMARKS.md come from rounds in turns, by `figures` in kq-typed.

mod shared;

fn main() {
    if !shared::echo::be_client() {
        shared::harness::run::<shared::contenders::Rivals>();
    }
}
