#!/usr/bin/env bash
# Runs fuzz targets one after the other, each for so many seconds, and prints a row of docs/robustness.md for each:
#
#     fuzz/run.sh 600 [TARGET…]
#
# New inputs go to fuzz/new/TARGET (not kept), findings to fuzz/artifacts. Afterwards, `cargo fuzz cmin TARGET` on both
# corpora says what is worth keeping.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(RUSTC_BOOTSTRAP=1 cargo fuzz list)
export RUSTC_BOOTSTRAP=1
RUSTC_BOOTSTRAP=1 cargo fuzz build
[ -d /dev/shm ] && export TMPDIR=/dev/shm # inputs reach the readers as files
echo '| target | executions | edges covered | CPU s | findings |'
for target in "${targets[@]}"; do
    seeds=("fuzz/corpus/$target")
    case $target in coded | wav) seeds+=(tests/audio) ;; esac
    mkdir -p "fuzz/new/$target" fuzz/artifacts
    log=fuzz/new/$target.log
    begin=$(awk '{ print $16 + $17 }' /proc/$$/stat)
    # A finding ends a run with an error; the others go on.
    nice -n 15 "fuzz/target/$(rustc -vV | sed -n 's/host: //p')/release/$target" "fuzz/new/$target" "${seeds[@]}" \
        -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target-" >"$log" 2>&1 || true
    end=$(awk '{ print $16 + $17 }' /proc/$$/stat)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
    cpu=$(((end - begin) / $(getconf CLK_TCK)))
    found=$(find fuzz/artifacts -name "$target-*" | wc -l)
    panics=$(grep -c '^PANIC at' "$log" || true)
    echo "| \`$target\` | $runs | $edges | $cpu | $found, $panics places of caught panics |"
    rm -rf /dev/shm/homonym-fuzz-*
done
