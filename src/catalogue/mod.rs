//! What is known about tracks beside their sound: tables of text, filters on their rows, groups of equal values, and
//! the datasets of the paper made from them.

pub mod datasets;
pub mod filter;
pub mod groups;
pub mod list;
pub mod location;
pub mod samples;
pub mod table;
pub mod triplets;
