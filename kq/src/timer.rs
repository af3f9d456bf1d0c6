//! Turns durations and times into the units that each system's timers count in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `fflags` and `data` of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerSetting {
    pub(crate) fflags: u32,
    pub(crate) data: i64,
}

/// A unit that a system counts in.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// The `NOTE_*` that selects it.
    note: u32,
    /// Its length in nanoseconds.
    nanos: u128,
    /// The highest count for which the kernel does not miscount.
    max: i64,
}

/// How a system counts time in timers.
#[derive(Clone, Copy, Debug)]
struct Scheme {
    /// Its units, the finest first; the last one is used, clamped, for what none can hold.
    units: &'static [Unit],
    /// Timers by the wall clock, if it has them.
    absolute: Option<Absolute>,
}

/// How a system counts absolute times.
#[derive(Clone, Copy, Debug)]
struct Absolute {
    /// The `NOTE_*` that make a time absolute and select its unit.
    note: u32,
    /// The unit's length in nanoseconds.
    nanos: u128,
    /// The highest time since the epoch, in units, that the kernel can count.
    max: i64,
}

const NANO: u128 = 1;
const MICRO: u128 = 1_000;
const MILLI: u128 = 1_000_000;
const SECOND: u128 = 1_000_000_000;

/// FreeBSD's seconds are 32.32 fixed-point numbers: beyond this the sum with the uptime overflows, and the timer fires
/// at once.
const MAX_SECONDS: i64 = 1_000_000_000;

/// FreeBSD, and kq-sys on Linux. FreeBSD 12 miscounts nanoseconds from one second on (it converts the fraction as if
/// it were microseconds), so microseconds take over there.
const FREEBSD: Scheme = Scheme {
    units: &[
        Unit { note: 0x8, nanos: NANO, max: 999_999_999 },
        Unit { note: 0x4, nanos: MICRO, max: MAX_SECONDS * 1_000_000 },
    ],
    absolute: Some(Absolute { note: 0x10 | 0x4, nanos: MICRO, max: i32::MAX as i64 * 1_000_000 }),
};

/// FreeBSD on machines of 32 bits: its kernel 12 cuts what it counts off to an `intptr_t` there, so the unit grows with
/// the interval. Times since the epoch are out of reach in any unit but seconds.
const FREEBSD_OF_32_BITS: Scheme = Scheme {
    units: &[
        Unit { note: 0x8, nanos: NANO, max: 999_999_999 },
        Unit { note: 0x4, nanos: MICRO, max: i32::MAX as i64 },
        Unit { note: 0x2, nanos: MILLI, max: i32::MAX as i64 },
        Unit { note: 0x1, nanos: SECOND, max: MAX_SECONDS },
    ],
    absolute: None,
};

/// NetBSD 10 and OpenBSD: the unit is a number, not a bit.
const NETBSD: Scheme = Scheme {
    units: &[Unit { note: 0x3, nanos: NANO, max: i64::MAX }],
    absolute: Some(Absolute { note: 0x10 | 0x3, nanos: NANO, max: i64::MAX }),
};

/// Apple.
const APPLE: Scheme = Scheme {
    units: &[Unit { note: 0x4, nanos: NANO, max: i64::MAX }],
    absolute: Some(Absolute { note: 0x8 | 0x4, nanos: NANO, max: i64::MAX }),
};

/// DragonFly and NetBSD 9: milliseconds, and no notes.
const MILLISECONDS: Scheme =
    Scheme { units: &[Unit { note: 0, nanos: MILLI, max: MAX_SECONDS * 1_000 }], absolute: None };

/// The scheme of the running system.
fn running() -> &'static Scheme {
    #[cfg(netbsd)]
    if !netbsd::has_units() {
        return &MILLISECONDS;
    }
    if cfg!(apple) {
        &APPLE
    } else if cfg!(all(freebsd, target_pointer_width = "32")) {
        &FREEBSD_OF_32_BITS
    } else if cfg!(freebsd_abi) {
        &FREEBSD
    } else if cfg!(has_timer_units) {
        &NETBSD
    } else {
        &MILLISECONDS
    }
}

impl TimerSetting {
    /// A timer of this interval.
    pub(crate) fn every(interval: Duration) -> TimerSetting {
        running().every(interval)
    }

    /// A timer that is due at `time`, made at `now`.
    pub(crate) fn at(time: SystemTime, now: SystemTime) -> TimerSetting {
        running().at(time, now)
    }
}

impl Scheme {
    fn every(&self, interval: Duration) -> TimerSetting {
        let nanos = interval.as_nanos();
        let mut setting = TimerSetting { fflags: 0, data: 1 };
        for unit in self.units {
            setting.fflags = unit.note;
            // At least one: NetBSD refuses 0, and FreeBSD takes it for one unit.
            match count(nanos, unit.nanos, unit.max) {
                Some(count) => {
                    setting.data = count.max(1);
                    break;
                }
                None => setting.data = unit.max,
            }
        }
        setting
    }

    fn at(&self, time: SystemTime, now: SystemTime) -> TimerSetting {
        let left = match time.duration_since(now) {
            Ok(left) if !left.is_zero() => left,
            // FreeBSD 12 refuses times before the system's start, so a past time becomes a timer of one unit.
            _ => return self.every(Duration::ZERO),
        };
        let absolute = self.absolute.and_then(|absolute| {
            let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
            let data = count(since_epoch.as_nanos(), absolute.nanos, absolute.max)?;
            Some(TimerSetting { fflags: absolute.note, data })
        });
        absolute.unwrap_or_else(|| self.every(left))
    }
}

/// `nanos` in units of `unit`, rounded up, unless that is beyond `max`.
fn count(nanos: u128, unit: u128, max: i64) -> Option<i64> {
    i64::try_from(nanos.div_ceil(unit)).ok().filter(|count| *count <= max)
}

#[cfg(netbsd)]
mod netbsd {
    //! NetBSD 9 counts milliseconds whatever the notes say, and nothing in the binary tells it from NetBSD 10.

    use std::sync::OnceLock;

    /// Whether the running kernel knows timer units: NetBSD 10 does.
    pub(super) fn has_units() -> bool {
        static HAS_UNITS: OnceLock<bool> = OnceLock::new();
        *HAS_UNITS.get_or_init(|| release().map_or(true, |major| major >= 10))
    }

    /// The major number of the running release.
    fn release() -> Option<u32> {
        // SAFETY: `utsname` is made of character arrays, for which zeros are valid.
        let mut name: libc::utsname = unsafe { std::mem::zeroed() };
        // SAFETY: `name` is valid for the call's writes.
        if unsafe { libc::uname(&mut name) } != 0 {
            return None;
        }
        let digits = name.release.iter().map(|c| c.to_ne_bytes()[0]).take_while(u8::is_ascii_digit);
        digits.fold(None, |number, digit| {
            Some(number.unwrap_or(0_u32).saturating_mul(10).saturating_add(u32::from(digit - b'0')))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Duration = Duration::from_secs(1);

    const ALL: [&Scheme; 5] = [&FREEBSD, &FREEBSD_OF_32_BITS, &NETBSD, &APPLE, &MILLISECONDS];

    /// The unit of a setting.
    fn unit_of(scheme: &Scheme, setting: TimerSetting) -> Unit {
        let unit = scheme.units.iter().find(|unit| unit.note == setting.fflags).expect("a unit of the scheme");
        assert!(setting.data >= 1 && setting.data <= unit.max, "{setting:?}");
        *unit
    }

    #[test]
    fn the_schemes_hold_the_constants_of_the_system() {
        #[cfg(has_timer_units)]
        {
            assert_eq!(running().units[0].note, kq_sys::NOTE_NSECONDS);
        }
        #[cfg(freebsd_abi)]
        {
            assert_eq!(FREEBSD.units[1].note, kq_sys::NOTE_USECONDS);
            assert_eq!(FREEBSD.absolute.unwrap().note, kq_sys::NOTE_ABSTIME | kq_sys::NOTE_USECONDS);
            let notes = [kq_sys::NOTE_NSECONDS, kq_sys::NOTE_USECONDS, kq_sys::NOTE_MSECONDS, kq_sys::NOTE_SECONDS];
            assert!(FREEBSD_OF_32_BITS.units.iter().map(|unit| unit.note).eq(notes));
        }
        #[cfg(any(netbsd, openbsd))]
        assert_eq!(NETBSD.absolute.unwrap().note, kq_sys::NOTE_ABSTIME | kq_sys::NOTE_NSECONDS);
        #[cfg(apple)]
        assert_eq!(APPLE.absolute.unwrap().note, kq_sys::NOTE_ABSOLUTE | kq_sys::NOTE_NSECONDS);
    }

    #[test]
    fn no_interval_is_early_zero_or_more_than_a_unit_late() {
        let intervals = [
            Duration::from_nanos(1),
            Duration::from_nanos(999),
            Duration::from_nanos(1_001),
            Duration::from_micros(1),
            Duration::new(0, 999_999_999),
            ONE,
            Duration::new(1, 1),
            Duration::new(1, 999_999_999),
            Duration::from_millis(1_500),
            Duration::from_secs(86_400 * 365),
            // Where a count of 32 bits ends, in microseconds and in milliseconds.
            Duration::from_micros(2_147_483_647),
            Duration::new(2_147, 483_647_001),
            Duration::from_millis(2_147_483_647),
            Duration::new(2_147_483, 647_000_001),
            Duration::new(999_999_999, 999_999_999),
        ];
        for scheme in ALL {
            for interval in intervals {
                let setting = scheme.every(interval);
                let unit = unit_of(scheme, setting).nanos;
                let set = u128::try_from(setting.data).unwrap() * unit;
                assert!(set >= interval.as_nanos(), "{interval:?} became {set} ns");
                assert!(set < interval.as_nanos() + unit, "{interval:?} became {set} ns");
            }
            assert_eq!(scheme.every(Duration::ZERO).data, 1);
        }
    }

    #[test]
    fn what_a_kernel_cannot_count_is_clamped() {
        for interval in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 40)] {
            assert_eq!(FREEBSD.every(interval), TimerSetting { fflags: 0x4, data: 1_000_000_000_000_000 });
            assert_eq!(FREEBSD_OF_32_BITS.every(interval), TimerSetting { fflags: 0x1, data: 1_000_000_000 });
            assert_eq!(NETBSD.every(interval), TimerSetting { fflags: 0x3, data: i64::MAX });
            assert_eq!(APPLE.every(interval), TimerSetting { fflags: 0x4, data: i64::MAX });
            assert_eq!(MILLISECONDS.every(interval), TimerSetting { fflags: 0, data: 1_000_000_000_000 });
        }
    }

    #[test]
    fn units_change_where_freebsd_12_would_miscount() {
        assert_eq!(FREEBSD.every(Duration::new(0, 999_999_999)), TimerSetting { fflags: 0x8, data: 999_999_999 });
        assert_eq!(FREEBSD.every(ONE), TimerSetting { fflags: 0x4, data: 1_000_000 });
        assert_eq!(FREEBSD.every(Duration::new(1, 1)), TimerSetting { fflags: 0x4, data: 1_000_001 });
        assert_eq!(MILLISECONDS.every(Duration::from_nanos(1)), TimerSetting { fflags: 0, data: 1 });
        assert_eq!(MILLISECONDS.every(Duration::new(1, 1)), TimerSetting { fflags: 0, data: 1_001 });
        assert_eq!(NETBSD.every(Duration::new(1, 1)), TimerSetting { fflags: 0x3, data: 1_000_000_001 });
    }

    #[test]
    fn a_count_of_32_bits_is_never_cut_off() {
        for shift in 0..64 {
            for interval in [Duration::from_nanos(1 << shift), Duration::from_secs(1 << shift)] {
                let setting = FREEBSD_OF_32_BITS.every(interval);
                assert!(i32::try_from(setting.data).is_ok_and(|count| count >= 1), "{interval:?}: {setting:?}");
            }
        }
        let every = |interval| FREEBSD_OF_32_BITS.every(interval);
        assert_eq!(every(Duration::new(1, 1)), TimerSetting { fflags: 0x4, data: 1_000_001 });
        assert_eq!(every(Duration::from_secs(3_600)), TimerSetting { fflags: 0x2, data: 3_600_000 });
        assert_eq!(every(Duration::new(2_147_483, 647_000_001)), TimerSetting { fflags: 0x1, data: 2_147_484 });
    }

    #[test]
    fn absolute_times() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let soon = now + Duration::new(5, 1);
        assert_eq!(FREEBSD.at(soon, now), TimerSetting { fflags: 0x14, data: 1_700_000_005_000_001 });
        assert_eq!(NETBSD.at(soon, now), TimerSetting { fflags: 0x13, data: 1_700_000_005_000_000_001 });
        assert_eq!(APPLE.at(soon, now), TimerSetting { fflags: 0xc, data: 1_700_000_005_000_000_001 });
        // No timers by the wall clock: the time that is left.
        assert_eq!(MILLISECONDS.at(soon, now), TimerSetting { fflags: 0, data: 5_001 });
        assert_eq!(FREEBSD_OF_32_BITS.at(soon, now), TimerSetting { fflags: 0x4, data: 5_000_001 });
    }

    #[test]
    fn absolute_times_out_of_range() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for scheme in ALL {
            let at_once = scheme.every(Duration::ZERO);
            for past in [now, now - ONE, UNIX_EPOCH, UNIX_EPOCH - ONE] {
                assert_eq!(scheme.at(past, now), at_once);
            }
        }
        // Beyond 2038 FreeBSD counts from now, beyond 2262 the others do.
        let in_2040 = UNIX_EPOCH + Duration::from_secs(2_208_988_800);
        assert_eq!(FREEBSD.at(in_2040, now), TimerSetting { fflags: 0x4, data: 508_988_800_000_000 });
        let in_2300 = UNIX_EPOCH + Duration::from_secs(10_413_792_000);
        assert_eq!(NETBSD.at(in_2300, now), TimerSetting { fflags: 0x3, data: 8_713_792_000_000_000_000 });
        // A clock before the epoch cannot be told to a kernel.
        let before = UNIX_EPOCH - Duration::from_secs(10);
        assert_eq!(APPLE.at(UNIX_EPOCH - ONE, before), TimerSetting { fflags: 0x4, data: 9_000_000_000 });
    }
}
