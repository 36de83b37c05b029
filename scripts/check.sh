#!/bin/sh
# Style and house rules, quick: clang-format, the arrows between the rings, words and paths that do not belong in the tree.
set -u
cd "$(dirname "$0")/.."
failed=0

say() {
    echo "check: $1"
}

fail() {
    echo "check: $1: FAILED"
    failed=1
}

sources=$(git ls-files -- '*.c' '*.h' | while read -r f; do [ -f "$f" ] && echo "$f"; done)

say "clang-format"
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources || fail "clang-format (run clang-format -i)"

say "layers"
/usr/bin/python3 tests/layers/test_layers.py || fail "layers"

say "python and shell syntax"
git ls-files -- '*.py' | while read -r f; do
    /usr/bin/python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$f" || echo "$f"
done | grep -q . && fail "python syntax"
for f in $(git ls-files -- '*.sh' .ci/run); do
    shell=sh
    head -n 1 "$f" | grep -q bash && shell=bash
    $shell -n "$f" || fail "$f"
done

say "machine paths"
# The pattern is split so that this file does not find itself.
git grep -nIE "/(work|home|root|tmp/b-)""/|/work/""main" -- ':!scripts/check.sh' && fail "absolute machine paths"

say "unfinished work"
git grep -nIwE "TODO|FIX""ME|XX""X" -- ':!scripts/check.sh' && fail "marks of unfinished work"

say "file length"
for f in $sources; do
    [ "$(wc -l <"$f")" -le 600 ] || fail "$f is longer than 600 lines"
done

say "forbidden calls in the library"
# No exit, no threads, no signal handlers, no printing in what other programs load.
library=$(echo "$sources" | grep -E '^(engine|backends|lua|modules/library)/')
# shellcheck disable=SC2086
grep -nE '(^|[^a-z_.>])(exit|abort|_exit|pthread_create|signal|sigaction|printf|puts)\(' $library |
    grep -v '^[^:]*:[0-9]*: *\*' && fail "forbidden calls"

[ $failed = 0 ] && echo "check: all well"
exit $failed
