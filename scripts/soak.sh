#!/bin/sh
# The tests that live on timing, again and again: scripts/soak.sh [BUILD] [TIMES]. Stops at the first failure.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
times=${2:-10}
cd "$build"
exec ctest -L 'loop|interop|nginx' -LE 'asan|nouring' --repeat "until-fail:$times" --output-on-failure -j 2
