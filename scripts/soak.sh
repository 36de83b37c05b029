#!/bin/sh
# The tests that live on timing, again and again: scripts/soak.sh [BUILD] [TIMES]; then 200 reloads of one nginx. Stops at
# the first failure.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
times=${2:-10}
cd "$build"
ctest -L 'loop|interop|nginx' -LE 'asan|nouring' --repeat "until-fail:$times" --output-on-failure -j 2
SB_RELOADS=200 exec ctest -R '^nginx.reload$' --timeout 3600 --output-on-failure
