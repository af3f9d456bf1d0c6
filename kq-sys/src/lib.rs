#![doc = include_str!("../README.md")]
#![cfg_attr(not(target_os = "linux"), no_std)]
// The names are the headers'.
#![allow(non_camel_case_types)]

mod table;

#[cfg(apple)]
#[path = "apple.rs"]
mod platform;
#[cfg(dragonfly)]
#[path = "dragonfly.rs"]
mod platform;
#[cfg(freebsd)]
#[path = "freebsd.rs"]
mod platform;
#[cfg(linux)]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(netbsd)]
#[path = "netbsd.rs"]
mod platform;
#[cfg(openbsd)]
#[path = "openbsd.rs"]
mod platform;

#[cfg(not(any(apple, dragonfly, freebsd, linux, netbsd, openbsd)))]
compile_error!("kq-sys knows the kqueue of FreeBSD, NetBSD, OpenBSD, DragonFly and Apple's systems, and has one for Linux; this target has none");

pub use platform::*;
pub use table::Named;

#[doc = include_str!("linux/README.md")]
pub mod on_linux {}
