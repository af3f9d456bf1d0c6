//! What the tests share: descriptors, children, files, a queue that is asked for exact events, and patience.

pub mod child;
pub mod descriptor;
pub mod file;
pub mod patience;
pub mod queue;

pub use child::Child;
pub use descriptor::{closed, get, listen, pair, pipe, put, tcp_pair};
pub use file::TempDir;
pub use patience::{serial, takes, wait_for, LIMIT, QUIET};
pub use queue::{want, TestQueue, Want};

/// The README's first program runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
