//! Work done ahead on threads of its own and handed over in order.
//!
//! The threads are never rayon's: the CPU backend computes on rayon's pool, and decoding there would slow the step down that it is to feed.

use std::collections::VecDeque;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Why an item could not be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LoadError<E: std::error::Error + 'static> {
    /// The work failed, and its error says on what.
    #[error(transparent)]
    #[diagnostic(help("`tailor data check` finds all such rows at once"))]
    Job(E),
    /// The work panicked.
    #[error("{job}: the worker stopped unexpectedly: {words}")]
    #[diagnostic(help("this is a bug in tailor: please report it with the message above"))]
    Panicked {
        /// What was being made.
        job: String,
        /// The panic's message.
        words: String,
    },
    /// No thread could be started.
    #[error("no worker thread could be started: {0}")]
    #[diagnostic(help("set fewer workers, or raise the limit on processes (`ulimit -u`)"))]
    Threads(std::io::Error),
}

struct State<J, T, E: std::error::Error + 'static> {
    jobs: J,
    /// The index of the item that the consumer takes next; the front of `done`.
    head: usize,
    /// Finished items and, as `None`, those under way.
    done: VecDeque<Option<Result<T, LoadError<E>>>>,
    /// No more jobs.
    exhausted: bool,
    /// The consumer has gone.
    stop: bool,
}

struct Shared<J, T, E: std::error::Error + 'static> {
    state: Mutex<State<J, T, E>>,
    /// For the consumer: an item is done, or the jobs are exhausted.
    finished: Condvar,
    /// For the workers: there is room.
    room: Condvar,
}

impl<J, T, E: std::error::Error + 'static> Shared<J, T, E> {
    fn lock(&self) -> MutexGuard<'_, State<J, T, E>> {
        // Nothing that can panic runs under the lock outside of `catch_unwind`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes items ahead on worker threads; iterate to get them, in the order of the jobs whatever the number of threads.
///
/// At most `depth` items are finished or under way before they are asked for. Dropping the loader stops the workers after the item that
/// each is making, and joins them. A failed item is an `Err` in its place; the items after it still come.
pub struct Loader<J, T, E: std::error::Error + 'static> {
    shared: Arc<Shared<J, T, E>>,
    workers: Vec<JoinHandle<()>>,
    waited: Duration,
}

impl<J, T, E> Loader<J, T, E>
where
    J: Iterator + Send + 'static,
    J::Item: Display,
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    /// Starts `workers` threads (at least 1) which stay at most `depth` items (at least 1) ahead; with `depth < workers` some of them idle.
    ///
    /// `state` makes a worker's own scratch memory, anew after a panic; `make` does the work.
    pub fn spawn<S>(
        workers: usize,
        depth: usize,
        jobs: J,
        state: impl Fn() -> S + Send + Sync + 'static,
        make: impl Fn(&mut S, J::Item) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, LoadError<E>> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                jobs,
                head: 0,
                done: VecDeque::new(),
                exhausted: false,
                stop: false,
            }),
            finished: Condvar::new(),
            room: Condvar::new(),
        });
        let tools = Arc::new((state, make));
        let depth = depth.max(1);
        let mut handles = Vec::new();
        for index in 0..workers.max(1) {
            let (shared, tools) = (shared.clone(), tools.clone());
            let started = std::thread::Builder::new()
                .name(format!("loader-{index}"))
                .spawn(move || work(&shared, depth, &tools.0, &tools.1));
            match started {
                Ok(handle) => handles.push(handle),
                Err(error) if handles.is_empty() => return Err(LoadError::Threads(error)),
                // Fewer threads give the same items, later.
                Err(error) => {
                    tracing::warn!("only {index} of {workers} loader threads could be started: {error}");
                    break;
                }
            }
        }
        Ok(Self {
            shared,
            workers: handles,
            waited: Duration::ZERO,
        })
    }
}

impl<J, T, E: std::error::Error + 'static> Loader<J, T, E> {
    /// How long [`Iterator::next`] has waited in all: what the data cost the training thread.
    pub fn wait_seconds(&self) -> f64 {
        self.waited.as_secs_f64()
    }
}

impl<J, T, E: std::error::Error + 'static> Iterator for Loader<J, T, E> {
    type Item = Result<T, LoadError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let mut state = self.shared.lock();
        let item = loop {
            if let Some(front) = state.done.front_mut() {
                if let Some(item) = front.take() {
                    state.done.pop_front();
                    state.head += 1;
                    break Some(item);
                }
            } else if state.exhausted {
                break None;
            }
            state = self
                .shared
                .finished
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        self.shared.room.notify_one();
        self.waited += start.elapsed();
        item
    }
}

impl<J, T, E: std::error::Error + 'static> Drop for Loader<J, T, E> {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // Panics were turned into items.
            let _ = worker.join();
        }
    }
}

fn work<J, S, T, E>(
    shared: &Shared<J, T, E>,
    depth: usize,
    new_state: &impl Fn() -> S,
    make: &impl Fn(&mut S, J::Item) -> Result<T, E>,
) where
    J: Iterator,
    J::Item: Display,
    E: std::error::Error + 'static,
{
    let mut own: Option<S> = None;
    loop {
        let mut state = shared.lock();
        while !state.stop && !state.exhausted && state.done.len() >= depth {
            state = shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stop || state.exhausted {
            return;
        }
        let index = state.head + state.done.len();
        let jobs = &mut state.jobs;
        let job = match catch_unwind(AssertUnwindSafe(|| jobs.next())) {
            Ok(Some(job)) => job,
            ended => {
                if let Err(panic) = ended {
                    state.done.push_back(Some(Err(LoadError::Panicked {
                        job: format!("choosing item {index}"),
                        words: panic_words(&*panic),
                    })));
                }
                state.exhausted = true;
                drop(state);
                shared.finished.notify_all();
                shared.room.notify_all();
                return;
            }
        };
        state.done.push_back(None);
        drop(state);

        let name =
            catch_unwind(AssertUnwindSafe(|| job.to_string())).unwrap_or_else(|_| format!("item {index}"));
        let result = catch_unwind(AssertUnwindSafe(|| make(own.get_or_insert_with(new_state), job)));
        let item = match result {
            Ok(Ok(item)) => Ok(item),
            Ok(Err(error)) => Err(LoadError::Job(error)),
            Err(panic) => {
                // Whatever was half done in it is not to be trusted.
                own = None;
                Err(LoadError::Panicked {
                    job: name,
                    words: panic_words(&*panic),
                })
            }
        };
        let mut state = shared.lock();
        let place = index - state.head;
        if let Some(slot) = state.done.get_mut(place) {
            *slot = Some(item);
        }
        drop(state);
        shared.finished.notify_one();
    }
}

/// What a panic said.
pub(crate) fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}

#[cfg(test)]
mod tests;
