//! Mono samples to frames of features: what a network sees of a sound.
//!
//! A [`Recipe`] holds everything that defines the numbers and resolves its `kind` through [`FRONT_ENDS`] to a
//! [`FrameStream`]. To add a front end: a file with its stream, one row in the table.

mod cqt;
mod filterbank;
mod mel;
mod recipe;

use std::path::Path;

use crate::audio::{self, AudioInfo};
use crate::{Error, Result};
pub use cqt::CqtStream;
pub use mel::MelStream;
pub use recipe::Recipe;

/// A front end in work: takes the samples of one signal in pieces of any size, gives frames one after the other.
///
/// The frames do not depend on the sizes of the pieces. A stream can take another signal after [`finish`](Self::finish)
/// or [`reset`](Self::reset), so a worker builds its tables and buffers once.
pub trait FrameStream: Send {
    /// The sampling rate of the samples, in Hz.
    fn sample_rate(&self) -> u32;
    /// Values per frame.
    fn bands(&self) -> usize;
    /// Takes samples and appends the frames they complete, `bands` values each.
    fn push(&mut self, samples: &[f32], frames: &mut Vec<f32>);
    /// Ends the signal, appends its last frames and is ready for another signal.
    fn finish(&mut self, frames: &mut Vec<f32>);
    /// Forgets the signal so far.
    fn reset(&mut self);
}

/// A row of [`FRONT_ENDS`].
pub struct FrontEnd {
    /// The name in [`Recipe::kind`].
    pub kind: &'static str,
    /// What it computes, for help texts.
    pub about: &'static str,
    /// Its usual recipe.
    pub recipe: fn() -> Recipe,
    /// Checks a recipe whose ranges are checked.
    check: fn(&Recipe) -> Result<()>,
    /// Builds the stream of such a recipe.
    stream: fn(&Recipe) -> Result<Box<dyn FrameStream>>,
}

/// Every front end there is.
pub static FRONT_ENDS: &[FrontEnd] = &[
    FrontEnd {
        kind: "mel",
        about: "mel spectrogram: Hann window, Slaney bands of unit area",
        recipe: Recipe::default,
        check: |recipe| filterbank::filterbank(recipe).map(drop),
        stream: |recipe| Ok(Box::new(MelStream::new(recipe)?)),
    },
    FrontEnd {
        kind: "cqt",
        about: "constant-Q transform: 12 bands an octave over 8 octaves, Hann windows of 17 periods",
        recipe: Recipe::cqt,
        check: |recipe| cqt::Plan::new(recipe).map(drop),
        stream: |recipe| Ok(Box::new(CqtStream::new(recipe)?)),
    },
];

/// The front end called `kind`.
///
/// # Errors
/// [`Error::Setting`] says which there are.
pub fn front_end(kind: &str) -> Result<&'static FrontEnd> {
    FRONT_ENDS.iter().find(|front_end| front_end.kind == kind).ok_or_else(|| {
        let known: Vec<_> = FRONT_ENDS.iter().map(|front_end| front_end.kind).collect();
        Error::setting("kind", format!("there is no front end \"{kind}\"; there are {}", known.join(", ")))
    })
}

/// Decodes `path` and hands its frames to `sink` as they come, whole frames at a time, in bounded memory.
///
/// # Errors
/// Those of [`audio::stream`] and of `sink`; what the sink was given before an error is not the whole track.
pub fn frames_of_file(
    path: &Path,
    stream: &mut dyn FrameStream,
    sink: &mut dyn FnMut(&[f32]) -> Result<()>,
) -> Result<AudioInfo> {
    stream.reset();
    let mut frames = Vec::new();
    let info = audio::stream(path, stream.sample_rate(), &mut |samples| {
        stream.push(samples, &mut frames);
        if !frames.is_empty() {
            sink(&frames)?;
            frames.clear();
        }
        Ok(())
    })?;
    stream.finish(&mut frames);
    if !frames.is_empty() {
        sink(&frames)?;
    }
    Ok(info)
}
