//! Shows `fflags` with the names that they have for their filter.

use std::fmt;

use crate::Filter;

/// The `fflags` of a change or an event, for `Debug`.
pub(crate) struct Notes {
    pub(crate) filter: Filter,
    pub(crate) fflags: u32,
}

impl Notes {
    fn table(&self) -> &'static [kq_sys::Named<u32>] {
        let group = match self.filter {
            Filter::READ | Filter::WRITE => "read_write",
            Filter::VNODE => "vnode",
            Filter::PROC => "proc",
            Filter::TIMER => "timer",
            #[cfg(has_user)]
            Filter::USER => "user",
            #[cfg(has_jail)]
            Filter::JAIL | Filter::JAILDESC => "jail",
            #[cfg(has_device)]
            Filter::DEVICE => "device",
            #[cfg(has_vm)]
            Filter::VM => "vm",
            #[cfg(has_procdesc)]
            Filter::PROCDESC => "proc",
            #[cfg(has_except)]
            Filter::EXCEPT => "read_write",
            _ => return &[],
        };
        kq_sys::NOTES.iter().find(|(name, _)| *name == group).map_or(&[], |(_, notes)| notes)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.fflags;
        let mut separator = "";
        // A value of several bits stands before its parts in the table.
        for (name, value) in self.table() {
            if *value != 0 && rest & value == *value {
                write!(f, "{separator}{}", name.trim_start_matches("NOTE_"))?;
                rest &= !value;
                separator = " | ";
            }
        }
        if rest != 0 || separator.is_empty() {
            write!(f, "{separator}{rest:#x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(filter: Filter, fflags: u32) -> String {
        format!("{:?}", Notes { filter, fflags })
    }

    #[test]
    fn names_known_bits_and_keeps_the_rest() {
        assert_eq!(shown(Filter::VNODE, kq_sys::NOTE_WRITE | kq_sys::NOTE_DELETE), "DELETE | WRITE");
        assert_eq!(shown(Filter::VNODE, 0x4000_0000 | kq_sys::NOTE_RENAME), "RENAME | 0x40000000");
        assert_eq!(shown(Filter::PROC, kq_sys::NOTE_EXIT), "EXIT");
        assert_eq!(shown(Filter::READ, 0), "0x0");
        assert_eq!(shown(Filter::SIGNAL, 3), "0x3");
    }

    #[test]
    #[cfg(has_timer_units)]
    fn names_a_timer_unit() {
        assert_eq!(shown(Filter::TIMER, kq_sys::NOTE_NSECONDS), "NSECONDS");
    }
}
