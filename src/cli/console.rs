//! Standard output and standard error of the command: results, progress bars, warnings and Ctrl-C.

use std::borrow::Cow;
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
            json(&serde_json::to_string_pretty(&Envelope { schema, value }).expect("results are plain data"))
                .into_owned()
        } else {
            plain(&human(), "\n").into_owned()
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
            self.suspend(|| eprintln!("{}", message(text)));
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

/// Whether a character would steer a terminal or show text in another order than it has: control characters (of which
/// escape sequences are made), line separators and what changes the direction of writing.
fn is_unruly(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Names of tracks and files come from anywhere: unruly characters are shown as `\u{…}`, line ends as `line_end`.
fn plain<'t>(text: &'t str, line_end: &str) -> Cow<'t, str> {
    if !text.contains(is_unruly) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out += line_end,
            '\t' => out.push('\t'),
            unruly if is_unruly(unruly) => out.extend(unruly.escape_unicode()),
            ruly => out.push(ruly),
        }
    }
    out.into()
}

/// A message whose further lines are indented, so that no name can pass for a message of its own.
pub(super) fn message(text: &str) -> Cow<'_, str> {
    plain(text, "\n    ")
}

/// A name as a part of a line.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    plain(text, "\\n")
}

/// JSON with its unruly characters escaped as JSON does it: the same values for a program, harmless on a terminal.
fn json(text: &str) -> Cow<'_, str> {
    let unruly = |character: char| character != '\n' && is_unruly(character);
    if !text.contains(unruly) {
        return text.into();
    }
    let escape = |character| match unruly(character) {
        true => format!("\\u{:04x}", u32::from(character)),
        false => String::from(character),
    };
    text.chars().map(escape).collect::<String>().into()
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
        bar.set_prefix(plain(stage, " ").into_owned());
        *self.bar.lock().expect("the console does not panic") = Some(bar);
    }

    fn advance(&self, units: u64) {
        if let Some(bar) = self.bar.lock().expect("the console does not panic").as_ref() {
            bar.inc(units);
        }
    }

    fn status(&self, text: &str) {
        if let Some(bar) = self.bar.lock().expect("the console does not panic").as_ref() {
            bar.set_message(plain(text, " ").into_owned());
        }
    }

    fn warn(&self, text: &str) {
        self.suspend(|| eprintln!("homonym: warning: {}", message(text)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        let hostile = "a\u{1b}[2J\u{9b}1m\u{7}\u{202e}gpj.\u{2066}\r\nhomonym: done\u{7f}";
        let shown = message(hostile);
        assert_eq!(shown, "a\\u{1b}[2J\\u{9b}1m\\u{7}\\u{202e}gpj.\\u{2066}\\u{d}\n    homonym: done\\u{7f}");
        assert!(!name(hostile).contains(is_unruly), "a name stays within its line");
        for text in ["Sigur Rós", "ערן צור", "久石譲", "a\tb"] {
            assert_eq!(message(text), text, "what is no control character stays");
        }
    }

    #[test]
    fn json_keeps_its_values() {
        let hostile = "a\u{1b}[2J\u{9b}1m\u{202e}\u{2028}\n\u{7f}";
        let text = serde_json::to_string_pretty(&[hostile, "é"]).unwrap();
        let shown = json(&text);
        assert!(!shown.replace('\n', "").contains(is_unruly), "{shown}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [hostile, "é"]);
    }
}
