//! The tour (placeholder).
fn main() {}
