#!/bin/sh
# Fuzzes with clang's libFuzzer: scripts/fuzz.sh [BUILD] [SECONDS] [TARGET...], each target (all of tests/fuzz without names)
# for SECONDS, one after the other. What it finds interesting stays in BUILD/fuzz/corpus/TARGET, an input that breaks
# something in BUILD/fuzz/TARGET-crash-... (run it again with BUILD/fuzz/tests/fuzz_TARGET FILE), figures in TARGET.log.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}/fuzz
seconds=${2:-60}
[ $# -gt 2 ] && shift 2 || shift $#

cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang -DSB_FUZZ=ON -DSB_NGINX=OFF -DSB_BENCH=OFF \
    -DSB_SANITIZE=address,undefined >/dev/null
targets=${*:-$(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')}
cmake --build "$build" -- $(printf 'fuzz_%s ' $targets)

failed=
for target in $targets; do
    corpus=$build/corpus/$target
    mkdir -p "$corpus"
    if "$build/tests/fuzz_$target" -max_total_time="$seconds" -max_len=4096 -timeout=120 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="$build/$target-" "$corpus" "tests/fuzz/corpus/$target" \
        >"$build/$target.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$target.log")
        cover=$(grep -oE 'cov: [0-9]+' "$build/$target.log" | tail -n 1)
        echo "fuzz: $target: $runs executions in ${seconds} s, $cover"
    else
        failed="$failed $target"
        grep -E 'broken:|ERROR|SUMMARY|runtime error|Test unit written' "$build/$target.log" | head -n 5
        echo "fuzz: $target: FAILED, see $build/$target.log"
    fi
done
[ -z "$failed" ] || { echo "fuzz: failed:$failed"; exit 1; }
