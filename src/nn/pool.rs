//! Working buffers shared by threads: as many as work at the same time, kept for the next call.

use std::sync::Mutex;

/// A pool of reusable values. What a job computes must not depend on what the value held before.
#[derive(Debug, Default)]
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// An empty pool.
    pub fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Lends a pooled value, or one that `make` returns, to `job`.
    pub fn with<R>(&self, make: impl FnOnce() -> T, job: impl FnOnce(&mut T) -> R) -> R {
        let pooled = self.0.lock().expect("nothing panics while it holds the pool").pop();
        let mut value = pooled.unwrap_or_else(make);
        let result = job(&mut value);
        self.0.lock().expect("nothing panics while it holds the pool").push(value);
        result
    }
}
