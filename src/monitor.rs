//! How long work tells its caller where it stands, and learns that it should stop. The library itself never prints.

/// Listens to long work. Every method has a default that does nothing, so `&()` is the silent monitor.
pub trait Monitor: Sync {
    /// A stage begins: what it does and how many units it will take, where known.
    fn begin(&self, stage: &str, total: Option<u64>) {
        let _ = (stage, total);
    }
    /// `units` more units of the current stage are done.
    fn advance(&self, units: u64) {
        let _ = units;
    }
    /// A few words on the current state, shown beside the progress (loss, rate, file at hand).
    fn status(&self, text: &str) {
        let _ = text;
    }
    /// Something the user should read even later: a warning, a file left out.
    fn warn(&self, text: &str) {
        let _ = text;
    }
    /// The current stage is over.
    fn end(&self) {}
    /// Whether the work should save what it has and stop with [`Error::Interrupted`](crate::Error::Interrupted).
    fn interrupted(&self) -> bool {
        false
    }
}

impl Monitor for () {}
