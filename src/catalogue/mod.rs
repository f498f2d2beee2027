//! What is known about tracks beside their sound: tables of text, filters on their rows, groups of equal values.

pub mod filter;
pub mod groups;
pub mod table;
