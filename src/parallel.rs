//! An ordered pipeline: many threads work, one consumer receives the results in the order of the items, so that what it
//! writes does not depend on the thread count.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use crate::{Error, Monitor, Result};

/// Runs `work` on the items `0..count` with as many threads as [`rayon`]'s pool has and hands the results to `consume`
/// in the order of the items, on the calling thread.
///
/// No item is begun before the consumer is within two items per thread of it, which bounds the results in flight.
/// Whatever can go wrong with one item is part of its value `T`; an error of the consumer stops the pipeline.
///
/// # Errors
/// The first error of `consume`, or [`Error::Interrupted`] when the monitor asked to stop before the last item was
/// consumed; everything consumed by then is a prefix of the items. A panic in `work` reaches the caller.
pub fn ordered<T: Send>(
    count: usize,
    monitor: &dyn Monitor,
    work: impl Fn(usize) -> T + Sync,
    mut consume: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let threads = rayon::current_num_threads().min(count);
    let pipeline = Pipeline::new(count, 2 * threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = pipeline.claim(monitor) {
                    pipeline.deliver(item, catch_unwind(AssertUnwindSafe(|| work(item))));
                }
            });
        }
        let _stop = StopOnDrop(&pipeline);
        (0..count).try_for_each(|item| match pipeline.receive(item) {
            Some(result) => consume(item, result.unwrap_or_else(|panic| resume_unwind(panic))),
            None => Err(Error::Interrupted(format!("stopped after {item} of {count} items"))),
        })
    })
}

/// Sends the threads home when the consumer leaves, be it by a panic.
struct StopOnDrop<'a, T>(&'a Pipeline<T>);

impl<T> Drop for StopOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

/// What the threads share.
struct Pipeline<T> {
    count: usize,
    window: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    claimed: usize,
    consumed: usize,
    stopped: bool,
    results: BTreeMap<usize, thread::Result<T>>,
}

impl<T> Pipeline<T> {
    fn new(count: usize, window: usize) -> Self {
        let state = State { claimed: 0, consumed: 0, stopped: false, results: BTreeMap::new() };
        Self { count, window, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no thread panics while it holds the state")
    }

    /// The next item to work on, once the consumer is near enough; `None` when there is nothing more to do.
    fn claim(&self, monitor: &dyn Monitor) -> Option<usize> {
        let waits = |state: &mut State<T>| {
            !state.stopped && state.claimed < self.count && state.claimed >= state.consumed + self.window
        };
        let mut state = self.changed.wait_while(self.lock(), waits).expect("no thread panics holding the state");
        if monitor.interrupted() && !state.stopped {
            state.stopped = true;
            self.changed.notify_all();
        }
        if state.stopped || state.claimed == self.count {
            return None;
        }
        state.claimed += 1;
        Some(state.claimed - 1)
    }

    fn deliver(&self, item: usize, result: thread::Result<T>) {
        self.lock().results.insert(item, result);
        self.changed.notify_all();
    }

    /// The result of `item`; `None` when the pipeline stopped before anyone began it.
    fn receive(&self, item: usize) -> Option<thread::Result<T>> {
        let waits =
            |state: &mut State<T>| !(state.results.contains_key(&item) || state.stopped && item >= state.claimed);
        let mut state = self.changed.wait_while(self.lock(), waits).expect("no thread panics holding the state");
        let result = state.results.remove(&item)?;
        state.consumed = item + 1;
        self.changed.notify_all();
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::ordered;
    use crate::{Error, Monitor};

    fn with_threads<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
    }

    /// Later items finish first unless something puts them in order.
    fn slow_square(item: usize) -> usize {
        std::thread::sleep(std::time::Duration::from_micros(((item * 7) % 5) as u64 * 200));
        item * item
    }

    #[test]
    fn results_arrive_in_order_whatever_the_thread_count() {
        for threads in [1, 2, 8] {
            let mut seen = Vec::new();
            with_threads(threads, || {
                ordered(100, &(), slow_square, |item, square| {
                    seen.push((item, square));
                    Ok(())
                })
            })
            .unwrap();
            assert_eq!(seen, (0..100).map(|item| (item, item * item)).collect::<Vec<_>>(), "{threads} threads");
        }
        ordered(0, &(), slow_square, |_, _| panic!("there is nothing to consume")).unwrap();
    }

    #[test]
    fn results_in_flight_are_bounded() {
        let begun = AtomicUsize::new(0);
        with_threads(3, || {
            let work = |_| begun.fetch_add(1, Ordering::SeqCst);
            ordered(60, &(), work, |item, _| {
                std::thread::sleep(std::time::Duration::from_micros(300));
                let begun = begun.load(Ordering::SeqCst);
                assert!(begun <= item + 1 + 6, "{begun} items begun when item {item} is consumed");
                Ok(())
            })
        })
        .unwrap();
    }

    #[test]
    fn an_error_of_the_consumer_stops_the_work() {
        let begun = AtomicUsize::new(0);
        let work = |_| begun.fetch_add(1, Ordering::SeqCst);
        let stop_at_5 = |item, _| if item == 5 { Err(Error::Failed("full".into())) } else { Ok(()) };
        let outcome = with_threads(2, || ordered(1000, &(), work, stop_at_5));
        assert!(matches!(outcome, Err(Error::Failed(_))));
        assert!(begun.into_inner() < 20);
    }

    #[test]
    fn an_interruption_leaves_a_prefix() {
        struct StopAfter(AtomicUsize);
        impl Monitor for StopAfter {
            fn interrupted(&self) -> bool {
                self.0.load(Ordering::SeqCst) >= 10
            }
        }
        let monitor = StopAfter(AtomicUsize::new(0));
        let mut seen = Vec::new();
        let work = |item| (item, monitor.0.fetch_add(1, Ordering::SeqCst)).0;
        let outcome = ordered(1000, &monitor, work, |item, _| {
            seen.push(item);
            Ok(())
        });
        assert!(matches!(outcome, Err(Error::Interrupted(_))));
        assert!(seen.len() >= 10 && seen.len() < 1000, "{}", seen.len());
        assert_eq!(seen, (0..seen.len()).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "bad item")]
    fn a_panic_of_the_work_reaches_the_caller() {
        let work = |item| assert!(item != 3, "bad item");
        let _ = with_threads(2, || ordered(100, &(), work, |_, ()| Ok(())));
    }

    #[test]
    #[should_panic(expected = "bad result")]
    fn a_panic_of_the_consumer_reaches_the_caller() {
        let _ = with_threads(2, || {
            ordered(
                100,
                &(),
                |item| item,
                |item, _| {
                    assert!(item != 3, "bad result");
                    Ok(())
                },
            )
        });
    }
}
