//! Standard output and standard error of the command: results, progress bars, warnings and Ctrl-C.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{Monitor, Result};

/// Set by Ctrl-C or SIGTERM.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Where a verb prints and what it hears from the user.
pub(crate) struct Console {
    json: bool,
    quiet: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Console {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        let handler = || {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                std::process::exit(130); // asked twice: do not wait for the checkpoint
            }
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            eprintln!("homonym: warning: Ctrl-C will not save a checkpoint: {error}");
        }
        Self { json, quiet, bar: Mutex::new(None) }
    }

    /// Prints the result of a verb: as JSON with `schema` (`name/version`) as its first member, or `human`.
    pub(crate) fn result(&self, schema: &str, value: &impl Serialize, human: impl FnOnce() -> String) -> Result<()> {
        #[derive(Serialize)]
        struct Envelope<'a, T> {
            schema: &'a str,
            #[serde(flatten)]
            value: &'a T,
        }
        let text = if self.json {
            serde_json::to_string_pretty(&Envelope { schema, value }).expect("results are plain data")
        } else {
            human()
        };
        self.print(&text)
    }

    /// Prints a line on standard output. A reader who has closed the pipe has seen enough.
    fn print(&self, text: &str) -> Result<()> {
        self.suspend(|| match writeln!(std::io::stdout(), "{}", text.trim_end()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(crate::Error::io("standard output")(error))
            }
            _ => Ok(()),
        })
    }

    /// Prints a remark on standard error unless the user wants quiet.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet {
            self.suspend(|| eprintln!("{text}"));
        }
    }

    pub(super) fn finish(&self) {
        self.end();
    }

    fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        match self.bar.lock().expect("the console does not panic").as_ref() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Monitor for Console {
    fn begin(&self, stage: &str, total: Option<u64>) {
        let template = match total {
            Some(_) => "{prefix} [{bar:30}] {human_pos}/{human_len} {msg} (eta {eta})",
            None => "{prefix} {spinner} {human_pos} {msg} ({elapsed})",
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if self.quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_style(ProgressStyle::with_template(template).expect("a constant template").progress_chars("=> "));
        bar.set_prefix(stage.to_owned());
        *self.bar.lock().expect("the console does not panic") = Some(bar);
    }

    fn advance(&self, units: u64) {
        if let Some(bar) = self.bar.lock().expect("the console does not panic").as_ref() {
            bar.inc(units);
        }
    }

    fn status(&self, text: &str) {
        if let Some(bar) = self.bar.lock().expect("the console does not panic").as_ref() {
            bar.set_message(text.to_owned());
        }
    }

    fn warn(&self, text: &str) {
        self.suspend(|| eprintln!("homonym: warning: {text}"));
    }

    fn end(&self) {
        if let Some(bar) = self.bar.lock().expect("the console does not panic").take() {
            bar.finish_and_clear();
        }
    }

    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}
