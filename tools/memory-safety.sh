#!/usr/bin/env bash
# Runs the kernels' tests, on every instruction set that each tool knows, under valgrind, AddressSanitizer and Miri, as far as
# this machine has them; what it has not is named. Arguments choose: valgrind, address, miri (all by default).
#   valgrind  knows AVX2, not AVX-512: the tests then skip the latter by themselves. Some four minutes.
#   address   needs the runtime that comes with Rust for Linux; knows everything the CPU has.
#   miri      interprets the portable set: `rustup component add --toolchain nightly miri`.
set -euo pipefail
cd "$(dirname "$0")/.."
chosen=${*:-valgrind address miri}
skipped=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Seconds of CPU that finished children have taken.
cpu() { awk -v tick="$(getconf CLK_TCK)" '{ print int(($16 + $17) / tick) }' /proc/$$/stat; }
step() { printf '\n== %s\n' "$*"; }
host=$(rustc -vV | sed -n 's/^host: //p')

for tool in $chosen; do
    case $tool in
    valgrind)
        if ! command -v valgrind >/dev/null; then skipped+=("valgrind: not installed"); continue; fi
        step "kernels under $(valgrind --version), test by test"
        mapfile -t binaries < <(cargo test -p homonym-kernels --locked --lib --tests --no-run --message-format json |
            sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
        for binary in "${binaries[@]}"; do
            for test in $("$binary" --list --format terse 2>/dev/null | sed -n 's/: test$//p'); do
                begin=$(cpu)
                valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
                    --errors-for-leak-kinds=definite "$binary" --test-threads 1 --exact "$test" </dev/null >"$log" 2>&1 || { cat "$log"; exit 9; }
                echo "ok $test, $(($(cpu) - begin)) s of CPU"
            done
        done
        ;;
    address)
        runtime=$(find "$(rustc --print sysroot)/lib/rustlib/$host" -name 'librustc-*_rt.asan.*' -print -quit)
        if [ -z "$runtime" ]; then skipped+=("AddressSanitizer: no runtime for $host"); continue; fi
        step "kernels and their maps under AddressSanitizer"
        RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cdebuginfo=line-tables-only" \
            cargo test -p homonym-kernels --locked --lib --tests --target "$host" --target-dir target/address
        ;;
    miri)
        if ! cargo +nightly miri --version >/dev/null 2>&1; then
            skipped+=("Miri: rustup component add --toolchain nightly miri rust-src"); continue
        fi
        step "the portable kernels under Miri"
        MIRIFLAGS=-Zmiri-strict-provenance cargo +nightly miri test -p homonym-kernels --locked --lib --tests
        ;;
    *) echo "$tool: expected valgrind, address or miri" >&2; exit 2 ;;
    esac
done

for what in "${skipped[@]}"; do echo "skipped: $what"; done
