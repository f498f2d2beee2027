#!/usr/bin/env bash
# Runs fuzz targets one after the other, each for so many seconds of CPU, and prints a row of docs/robustness.md for each:
#
#     fuzz/run.sh 600 [TARGET…]
#
# New inputs go to fuzz/new/TARGET (not kept), findings to fuzz/artifacts. Afterwards, `cargo fuzz cmin TARGET` on both
# corpora says what is worth keeping.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
export RUSTC_BOOTSTRAP=1
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
cargo fuzz build
[ -d /dev/shm ] && export TMPDIR=/dev/shm # inputs reach the readers as files
tick=$(getconf CLK_TCK)
# Seconds of CPU of a process, nothing once it is gone.
cpu() { awk -v tick="$tick" '{ sub(/.*\) /, ""); print int(($12 + $13) / tick) }' "/proc/$1/stat" 2>/dev/null || true; }
echo '| target | executions | edges covered | CPU s | findings |'
for target in "${targets[@]}"; do
    seeds=("fuzz/corpus/$target")
    case $target in coded | wav) seeds+=(tests/audio) ;; esac
    mkdir -p "fuzz/new/$target" fuzz/artifacts
    log=fuzz/new/$target.log
    nice -n 15 "fuzz/target/$(rustc -vV | sed -n 's/host: //p')/release/$target" "fuzz/new/$target" "${seeds[@]}" \
        -rss_limit_mb=2048 -timeout=60 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target-" >"$log" 2>&1 &
    fuzzer=$!
    spent=0
    while now=$(cpu $fuzzer) && [ -n "$now" ]; do
        spent=$now
        [ "$spent" -lt "$seconds" ] || kill -USR1 $fuzzer # libFuzzer then ends with its statistics
        sleep 1
    done
    wait $fuzzer || true # a finding ends a run with an error; the others go on
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    [ -n "$runs" ] || { tail "$log" >&2; exit 1; }
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    found=$(find fuzz/artifacts -name "$target-*" | wc -l)
    panics=$(grep -c '^PANIC at' "$log" || true)
    echo "| \`$target\` | $runs | $edges | $spent | $found, $panics places of caught panics |"
    rm -rf /dev/shm/homonym-fuzz-*
done
