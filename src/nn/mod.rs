//! What networks are built from: named parameters in one flat buffer, their initialisation, and room to work in.

mod params;
mod pool;

pub use params::{Init, Param, ParamTable};
pub use pool::Pool;
