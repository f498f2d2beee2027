//! What can go wrong, told so that the reader knows which file, what was expected, what was found and what to do.

use std::{fmt, io, path::Path, path::PathBuf};

use crate::audio::Health;

/// Shorthand for the results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every failure of the engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read, write or map a file.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Some input does not hold what it should: a damaged file, a wrong shape, a missing column.
    Input {
        /// The file (or matrix, or column) at fault.
        subject: String,
        /// What should have been there.
        expected: String,
        /// What was there instead.
        found: String,
        /// What the user can do about it.
        advice: String,
    },
    /// An audio file that is left out, by the name that a health report gives the reason.
    Audio {
        /// What is wrong with the file.
        health: Health,
        /// The whole story.
        error: Box<Error>,
    },
    /// A setting that cannot be used: out of range, unknown, or at odds with another one.
    Setting {
        /// The name of the setting.
        name: String,
        /// Why it cannot be used and what would work.
        problem: String,
    },
    /// The work itself failed although its input was sound: training collapsed, nothing was left to do.
    Failed(String),
    /// The user asked to stop; what was finished by then is saved.
    Interrupted(String),
}

impl Error {
    /// Names the file an [`io::Error`] belongs to; made for `map_err(Error::io(path))`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Input`] from anything that prints.
    pub fn input(
        subject: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
        advice: impl fmt::Display,
    ) -> Self {
        Self::Input {
            subject: subject.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
            advice: advice.to_string(),
        }
    }

    /// An [`Error::Input`] about a file.
    pub fn file(
        path: impl AsRef<Path>,
        expected: impl fmt::Display,
        found: impl fmt::Display,
        advice: impl fmt::Display,
    ) -> Self {
        Self::input(path.as_ref().display(), expected, found, advice)
    }

    /// An [`Error::Setting`] from anything that prints.
    pub fn setting(name: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::Setting { name: name.to_string(), problem: problem.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Input { subject, expected, found, advice } => {
                write!(f, "{subject}: expected {expected}, found {found}; {advice}")
            }
            Self::Audio { error, .. } => error.fmt(f),
            Self::Setting { name, problem } => write!(f, "{name}: {problem}"),
            Self::Failed(what) | Self::Interrupted(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Audio { error, .. } => error.source(),
            _ => None,
        }
    }
}

impl From<homonym_kernels::UnavailableIsa> for Error {
    fn from(error: homonym_kernels::UnavailableIsa) -> Self {
        Self::setting(homonym_kernels::ISA_VARIABLE, error)
    }
}

impl From<homonym_kernels::NoTiles> for Error {
    fn from(error: homonym_kernels::NoTiles) -> Self {
        Self::setting("arithmetic", error)
    }
}
