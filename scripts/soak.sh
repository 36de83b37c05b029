#!/bin/sh
# Again and again: scripts/soak.sh [BUILD] [TIMES] runs the tests that live on timing, then 200 reloads of one nginx;
# scripts/soak.sh BUILD TIMES SEEDS (or FIRST LAST) that many worlds of the simulator on all cores. Stops at the first
# failure.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
times=${2:-10}
cd "$build"
if [ $# -lt 3 ]; then
    ctest -L 'loop|interop|nginx' -LE 'asan|nouring' --repeat "until-fail:$times" --output-on-failure -j 2
    SB_RELOADS=200 exec ctest -R '^nginx.reload$' --timeout 3600 --output-on-failure
fi
first=1
last=$3
[ $# -lt 4 ] || { first=$3; last=$4; }
at=$first
while [ "$at" -le "$last" ]; do
    end=$((at + 999))
    [ "$end" -le "$last" ] || end=$last
    echo "$at $end"
    at=$((end + 1))
done | xargs -P "$(nproc)" -L 1 tests/simulator
echo "soak: seeds $first to $last: all well"
