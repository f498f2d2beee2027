//! A synthetic catalogue to try everything on: artists who share habits of composing and sounding as continuous
//! dimensions, tracks whose mastering hides the mean spectrum, and names that several artists share.

mod artist;
mod catalogue;
mod character;
mod circle;
mod composer;
mod draw;
mod drums;
mod effects;
mod instrument;
mod mastering;
mod wav;

pub use catalogue::Catalogue;

/// Samples per second.
const SAMPLE_RATE: f64 = 22_050.0;
