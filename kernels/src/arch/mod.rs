//! The instruction sets, one file each.

#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), path = "no_amx.rs")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod portable;

/// Wraps intrinsics in the methods of a set whose value proves that the CPU has them.
#[cfg(target_arch = "x86_64")]
macro_rules! proven {
    ($call:expr) => {{
        // SAFETY: `self` exists only inside `run`, which is entered after the CPU was asked for the features; pointer
        // arguments are the caller's promise, stated in the trait.
        #[allow(unused_unsafe)]
        unsafe {
            $call
        }
    }};
}
#[cfg(target_arch = "x86_64")]
use proven;
