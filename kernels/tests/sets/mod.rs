//! The instruction sets that tests run on.

use homonym_kernels::Isa;

/// Runs `test` on every set that this CPU has and names the others; `HOMONYM_REQUIRE_ISA=1` makes those failures.
pub fn each_isa(test: impl Fn(Isa)) {
    for name in Isa::NAMES {
        match Isa::by_name(name) {
            Some(isa) => test(isa),
            None if std::env::var_os("HOMONYM_REQUIRE_ISA").is_some() => panic!("this CPU lacks {name}"),
            None => println!("skipped: this CPU lacks {name}"),
        }
    }
}
