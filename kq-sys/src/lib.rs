//! kq-sys
#![cfg_attr(not(target_os = "linux"), no_std)]
#![allow(non_camel_case_types)]

mod table;

#[cfg(linux)]
#[path = "linux/mod.rs"]
mod platform;

pub use platform::*;
pub use table::Named;
