//! Stands in for `amx` where there is none: a proof that cannot exist.

use std::convert::Infallible;

use crate::simd::Kernel;
use crate::tiles::NoTiles;

pub(crate) const OUTPUTS: usize = 32;
pub(crate) const STEP: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amx(Infallible);

#[allow(dead_code)] // as in `amx`
pub(crate) struct Product {
    pub(crate) x: *const u16,
    pub(crate) pixel: usize,
    pub(crate) row: usize,
    pub(crate) steps: usize,
    pub(crate) w: *const u16,
    pub(crate) y: *mut f32,
}

#[allow(dead_code)] // as in `amx`
pub(crate) struct ByteProduct {
    pub(crate) queries: *const u8,
    pub(crate) stride: usize,
    pub(crate) candidates: *const u8,
    pub(crate) sums: *mut i32,
}

pub(crate) struct Configured(Infallible);

pub(crate) struct ConfiguredBytes(Infallible);

impl Amx {
    pub(crate) fn request() -> Result<Self, NoTiles> {
        Err(NoTiles::Cpu)
    }

    pub(crate) fn run<K: Kernel>(self, _: K) -> K::Output {
        match self.0 {}
    }

    pub(crate) fn round(self, _: &[f32], _: &mut [u16]) {
        match self.0 {}
    }

    pub(crate) fn configure(self, _: [usize; 2]) -> Configured {
        match self.0 {}
    }

    pub(crate) fn configure_bytes(self, _: usize, _: usize) -> ConfiguredBytes {
        match self.0 {}
    }
}

impl Configured {
    /// # Safety
    /// None: there is no value.
    pub(crate) unsafe fn multiply(&self, _: &Product) {
        match self.0 {}
    }
}

impl ConfiguredBytes {
    /// # Safety
    /// None: there is no value.
    pub(crate) unsafe fn multiply(&self, _: &ByteProduct) {
        match self.0 {}
    }
}
