//! From stored tracks to what a network sees.

pub mod segments;
