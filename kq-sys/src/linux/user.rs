//! EVFILT_USER: events that the program triggers.

use core::ffi::c_int;

use super::knote::{Index, Source};
use super::queue::{Queue, State};
use super::ready::{store, Unwritten};
use super::sys::Result;
use super::{answer, constants::*, kevent};

impl Queue {
    /// Applies a change that does nothing but trigger a knote, which is what waking a thread takes; gives the answer, and
    /// the token if it is to be written to.
    #[inline(never)]
    pub(super) fn trigger(&self, change: &kevent) -> (c_int, Option<Unwritten>) {
        let mut state = self.lock();
        let found = state.knotes.find(EVFILT_USER, change.ident);
        let Some(index) = found.filter(|index| !state.knotes[*index].forced) else {
            drop(state);
            return (self.apply_one(change), None);
        };
        state.knotes[index].udata = change.udata;
        state.modify_user(index, &mut { *change });
        let shown = state.show_ready();
        let unwritten = state.unlock();
        (answer(shown.map(|()| 0)), unwritten)
    }
}

/// Whether a change does nothing but trigger a knote.
#[inline]
pub(super) fn is_trigger(change: &kevent) -> bool {
    change.filter == EVFILT_USER && change.flags == 0 && change.fflags & NOTE_TRIGGER != 0
}

impl State {
    pub(super) fn attach_user(&mut self, change: &kevent) -> Result<()> {
        self.need_token()?;
        // FreeBSD ignores NOTE_TRIGGER here, but keeps the bit among the stored ones.
        self.insert(change, Source::User { triggered: false })?;
        Ok(())
    }

    /// Uses up the change's control bits, as receipts show.
    #[inline(always)]
    pub(super) fn modify_user(&mut self, index: Index, change: &mut kevent) {
        let knote = &mut self.knotes[index];
        let Source::User { triggered } = &mut knote.source else { return };
        *triggered |= change.fflags & NOTE_TRIGGER != 0;
        let control = change.fflags & NOTE_FFCTRLMASK;
        change.fflags &= NOTE_FFLAGSMASK;
        let flags = change.fflags;
        match control {
            NOTE_FFAND => knote.asked_fflags &= flags,
            NOTE_FFOR => knote.asked_fflags |= flags,
            NOTE_FFCOPY => knote.asked_fflags = flags,
            _ => {}
        }
        store(&mut knote.asked_data, change.data);
        // An EV_CLEAR in any change resets the knote, the trigger in the same change included; but FreeBSD does not look
        // again at a one-shot that is about to be delivered.
        if change.flags & EV_CLEAR != 0 {
            *triggered = knote.ready && knote.flags & EV_ONESHOT != 0;
            knote.data = 0;
            knote.fflags = 0;
        }
        if !*triggered {
            self.ready.remove(&mut self.knotes, index);
        } else if !knote.disabled {
            self.ready.push(&mut self.knotes, index);
        }
    }

    /// The event of the knote that is ready, if it is the only one, a plain edge like a waker's, and nothing else is due:
    /// what `harvest` would give for the token's entry, in a tenth of the code.
    #[inline(always)]
    pub(super) fn take_wake(&mut self) -> Option<kevent> {
        const MODES: u16 = EV_CLEAR | EV_ONESHOT | EV_DISPATCH;
        let index = self.ready.only()?;
        let knote = &self.knotes[index];
        if knote.filter != EVFILT_USER || knote.flags & MODES != EV_CLEAR || knote.forced || self.clocks.changed {
            return None;
        }
        self.token_harvested();
        self.ready.remove(&mut self.knotes, index);
        let harvest = self.next_harvest(false);
        Some(self.deliver_user(index, harvest))
    }

    #[inline(always)]
    pub(super) fn deliver_user(&mut self, index: Index, harvest: u32) -> kevent {
        let knote = &mut self.knotes[index];
        let mut event = knote.event();
        if knote.has(EV_ONESHOT) {
            self.finish(index);
            return event;
        }
        event.fflags = knote.asked_fflags;
        event.data = knote.asked_data;
        knote.harvest = harvest;
        let again = !knote.has(EV_CLEAR | EV_DISPATCH);
        if let (true, Source::User { triggered }) = (knote.has(EV_CLEAR), &mut knote.source) {
            *triggered = false;
        }
        knote.disabled |= knote.has(EV_DISPATCH);
        if again {
            self.ready.push(&mut self.knotes, index);
        }
        event
    }
}
