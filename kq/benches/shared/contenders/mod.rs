//! Who contends: the raw calls, kq, and what a user would pick instead.

mod kq;
mod mio;
mod polling;
mod raw;

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(target_os = "linux")]
mod timerfd;

#[cfg(not(target_os = "linux"))]
mod nix;
#[cfg(not(target_os = "linux"))]
mod rustix;

use super::{Case, Contender, Field, Poller, TimerCase, Timers, WakeCase, Wakes};

pub use self::kq::Kq;
pub use self::raw::Raw;

/// Everybody who is at home in kq's benchmarks.
pub struct Rivals;

/// The contender's part of a case.
pub fn poller<P: Poller>(case: &impl Case) -> Contender {
    Contender { name: P::NAME, run: case.set_up::<P>() }
}

/// The contender's part of a case with wakers.
pub fn waker<P: Wakes>(case: &impl WakeCase) -> Contender {
    Contender { name: P::NAME, run: case.set_up::<P>() }
}

/// The contender's part of a case with timers, if there is room for it.
pub fn timer<T: Timers>(case: &impl TimerCase) -> Option<Contender> {
    case.set_up::<T>().map(|run| Contender { name: T::NAME, run })
}

impl Field for Rivals {
    fn pollers(case: &impl Case) -> Vec<Contender> {
        let mut field = Vec::new();
        #[cfg(target_os = "linux")]
        field.push(poller::<epoll::Epoll<false>>(case));
        #[cfg(target_os = "linux")]
        if case.delivers() {
            field.push(poller::<epoll::Epoll<true>>(case));
        }
        field.extend([poller::<Raw>(case), poller::<Kq<true>>(case)]);
        if kq::CAN_LEAVE_DATA_OUT && case.delivers() {
            field.push(poller::<Kq<false>>(case));
        }
        if case.drains() {
            field.push(poller::<Kq<false, true>>(case));
        }
        #[cfg(not(target_os = "linux"))]
        field.extend([poller::<nix::Nix>(case), poller::<rustix::Rustix>(case)]);
        field.extend([poller::<mio::Mio>(case), poller::<polling::Polling>(case)]);
        field
    }

    fn wakers(case: &impl WakeCase) -> Vec<Contender> {
        let mut field = Vec::new();
        #[cfg(target_os = "linux")]
        field.push(waker::<epoll::Epoll<false>>(case));
        #[cfg(has_user)]
        field.push(waker::<Raw>(case));
        field.extend([waker::<Kq<true>>(case), waker::<mio::Mio>(case), waker::<polling::Polling>(case)]);
        field
    }

    fn timers(case: &impl TimerCase) -> Vec<Contender> {
        let mut field: Vec<Option<Contender>> = Vec::new();
        #[cfg(target_os = "linux")]
        field.push(timer::<timerfd::TimerFd>(case));
        field.extend([timer::<Raw>(case), timer::<Kq<true>>(case)]);
        field.into_iter().flatten().collect()
    }
}
