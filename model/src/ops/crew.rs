//! Threads for pieces of work that take tens of microseconds.
//!
//! A pass of a small model is a hundred such pieces, one after the other. Waking a sleeping thread took 100 us on a virtual machine, so
//! that a pool whose threads sleep between them (rayon's, for one) did all the work on one. Here a helper that has worked keeps
//! looking for more for [`AWAKE`] before it sleeps, the caller works at once, and pieces are taken in turn, so that nobody waits for a
//! helper that is late. There is one crew a process; who finds it busy works alone.
//!
//! Helpers may run on every processor but the caller's ([`Seats`]). Left to itself the system wakes a helper where the caller runs and
//! balances later, after some milliseconds; such a piece of work is over by then, and two threads had the speed of one.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread::{Builder, Thread};
use std::time::{Duration, Instant};

/// How long a helper looks for more work before it sleeps.
const AWAKE: Duration = Duration::from_micros(300);
/// Helpers at most.
const HELPERS_MAX: usize = 255;

/// The work of one call: gets 0 from the caller's thread and the helper's number, from 1 on, from a helper's.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// The bit of [`Floor::gate`] that lets helpers in; the bits below count who is inside.
const OPEN: usize = 1 << 32;

/// What the caller and the helpers share.
struct Floor {
    gate: AtomicUsize,
    /// Counts calls.
    call: AtomicUsize,
    /// Helpers beyond this number stay out.
    invited: AtomicUsize,
    /// Written while the gate is shut and nobody is inside, read by who is inside.
    work: UnsafeCell<Option<*const Work<'static>>>,
    panicked: AtomicBool,
    asleep: [AtomicBool; HELPERS_MAX],
}

// SAFETY: `work` is written by the holder of `CREW` while the gate is shut and nobody is inside, and read inside only.
unsafe impl Sync for Floor {}

static FLOOR: Floor = Floor {
    gate: AtomicUsize::new(0),
    call: AtomicUsize::new(0),
    invited: AtomicUsize::new(0),
    work: UnsafeCell::new(None),
    panicked: AtomicBool::new(false),
    asleep: [const { AtomicBool::new(false) }; HELPERS_MAX],
};

/// The helpers there are; held by who uses them.
static CREW: Mutex<Crew> = Mutex::new(Crew { threads: Vec::new(), seats: Seats { caller: None } });

struct Crew {
    threads: Vec<Helper>,
    seats: Seats,
}

struct Helper {
    thread: Thread,
    /// The system's name of it, valid as long as the thread lives: for ever.
    #[cfg(target_os = "linux")]
    id: libc::pthread_t,
}

/// Run `work` on the caller's thread and on up to `threads - 1` helpers at once. It returns when nobody works any more; a helper may not
/// have come at all, so that pieces must be taken in turn and not be given out.
///
/// # Panics
/// If the work panics, on whatever thread.
pub fn together(threads: usize, work: &Work<'_>) {
    let mut crew = match CREW.try_lock() {
        Ok(crew) => crew,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return work(0),
    };
    let Crew { threads: helpers, seats } = &mut *crew;
    let invited = threads.saturating_sub(1).min(HELPERS_MAX);
    while helpers.len() < invited {
        let number = helpers.len();
        match Builder::new().name(format!("crew-{number}")).spawn(move || help(number)) {
            Ok(handle) => {
                helpers.push(Helper {
                    thread: handle.thread().clone(),
                    #[cfg(target_os = "linux")]
                    id: std::os::unix::thread::JoinHandleExt::as_pthread_t(&handle),
                });
                *seats = Seats::default();
            }
            Err(_) => break, // the system has no more threads: work with those there are
        }
    }
    if invited == 0 || helpers.is_empty() {
        return work(0);
    }
    seats.arrange(helpers);
    // SAFETY: only the lifetime changes. `Shut` waits until no helper can use the work any more, also if the caller's part panics.
    let lasting = unsafe { std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work) };
    // SAFETY: the gate is shut and nobody is inside, and this thread holds the crew.
    unsafe { *FLOOR.work.get() = Some(std::ptr::from_ref(lasting)) };
    FLOOR.invited.store(invited, Ordering::Relaxed);
    FLOOR.gate.store(OPEN, Ordering::Release);
    FLOOR.call.fetch_add(1, Ordering::SeqCst);
    for (helper, asleep) in helpers.iter().zip(&FLOOR.asleep).take(invited) {
        if asleep.load(Ordering::SeqCst) {
            helper.thread.unpark();
        }
    }
    let shut = Shut;
    work(0);
    drop(shut);
    assert!(!FLOOR.panicked.swap(false, Ordering::Relaxed), "a helper's part of the work panicked");
}

/// Which processor the caller was last seen on, and the helpers therefore keep away from.
#[derive(Debug, Default)]
struct Seats {
    caller: Option<usize>,
}

impl Seats {
    /// Send the helpers away from the caller's processor, if it is another one than last time. Where that cannot be done, they stay.
    #[cfg(target_os = "linux")]
    fn arrange(&mut self, helpers: &[Helper]) {
        // SAFETY: asks for a number.
        let Ok(here) = usize::try_from(unsafe { libc::sched_getcpu() }) else { return };
        if self.caller.replace(here) == Some(here) {
            return;
        }
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: a set of processors is plain bits, of the size said; `here` is one of those it has room for, or nothing is changed.
        unsafe {
            let mut allowed: libc::cpu_set_t = std::mem::zeroed();
            if libc::sched_getaffinity(0, size, &raw mut allowed) != 0 || here >= 8 * size {
                return;
            }
            libc::CPU_CLR(here, &mut allowed);
            if libc::CPU_COUNT(&allowed) > 0 {
                for helper in helpers {
                    libc::pthread_setaffinity_np(helper.id, size, &raw const allowed);
                }
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn arrange(&mut self, _: &[Helper]) {}
}

/// Shuts the gate and waits until nobody is inside.
struct Shut;

impl Drop for Shut {
    fn drop(&mut self) {
        FLOOR.gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut looks = 0u32;
        while FLOOR.gate.load(Ordering::Acquire) != 0 {
            looks += 1;
            // A helper that lost its processor needs one to finish.
            if looks.is_multiple_of(1 << 10) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

/// A helper's life.
fn help(number: usize) {
    let mut last = 0;
    loop {
        last = next_call(number, last);
        let entered =
            FLOOR.gate.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |gate| (gate & OPEN != 0).then_some(gate + 1));
        if entered.is_err() {
            continue; // the others were done before this one came
        }
        // SAFETY: inside, the work is there and stays until this helper has left.
        let work = unsafe { (*FLOOR.work.get()).map(|work| &*work) };
        if number < FLOOR.invited.load(Ordering::Relaxed)
            && let Some(work) = work
            && catch_unwind(AssertUnwindSafe(|| work(number + 1))).is_err()
        {
            FLOOR.panicked.store(true, Ordering::Relaxed);
        }
        FLOOR.gate.fetch_sub(1, Ordering::Release);
    }
}

/// Wait for a call after `last`: awake for a while, then asleep.
fn next_call(number: usize, last: usize) -> usize {
    let start = Instant::now();
    loop {
        for _ in 0..32 {
            let call = FLOOR.call.load(Ordering::Acquire);
            if call != last {
                return call;
            }
            std::hint::spin_loop();
        }
        if start.elapsed() > AWAKE {
            FLOOR.asleep[number].store(true, Ordering::SeqCst);
            while FLOOR.call.load(Ordering::SeqCst) == last {
                std::thread::park();
            }
            FLOOR.asleep[number].store(false, Ordering::SeqCst);
        }
    }
}

/// Run `work` on `threads` threads; each gets an iterator over pieces `0..count`, ascending, which share them out in turn. What the
/// threads that came found, in no order that matters.
pub fn in_turn<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(&mut dyn Iterator<Item = usize>) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    together(threads.min(count), &|_| {
        let turn = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&piece| piece < count);
        let result = work(&mut std::iter::from_fn(turn));
        found.lock().unwrap_or_else(PoisonError::into_inner).push(result);
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_taken_once_whoever_comes() {
        for threads in [1, 2, 3, 7] {
            for count in [0, 1, 2, 100, 1000] {
                let parts = in_turn(threads, count, |pieces| pieces.collect::<Vec<_>>());
                assert!(parts.len() <= threads.max(1), "{threads}");
                assert!(parts.iter().all(|part| part.is_sorted()));
                let mut all = parts.concat();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn many_callers_at_once_and_calls_inside_calls_are_all_served() {
        let sum = |threads| in_turn(threads, 50, |pieces| pieces.sum::<usize>()).iter().sum::<usize>();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| assert_eq!(sum(3), 1225)));
            }
        });
        let nested = in_turn(2, 4, |pieces| pieces.map(|_| sum(2)).sum::<usize>());
        assert_eq!(nested.iter().sum::<usize>(), 4 * 1225);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_crew_goes_on() {
        for _ in 0..20 {
            let failed =
                catch_unwind(|| in_turn(2, 64, |pieces| pieces.for_each(|piece| assert!(piece != 63, "planted"))));
            assert!(failed.is_err());
        }
        assert_eq!(in_turn(2, 10, |pieces| pieces.count()).iter().sum::<usize>(), 10);
    }
}
