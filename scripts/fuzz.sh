#!/bin/sh
# Fuzzes the bytes side with clang's libFuzzer: scripts/fuzz.sh [BUILD] [SECONDS]. What it found interesting stays in
# BUILD/fuzz/corpus, an input that breaks something in BUILD/fuzz.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}/fuzz
seconds=${2:-60}
mkdir -p "$build/corpus"

# Null plus zero is no pointer overflow that anybody minds; clang 14 does.
clang -std=gnu11 -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-sanitize=pointer-overflow \
    -o "$build/fuzz_session" tests/fuzz/fuzz_session.c engine/buf.c engine/error.c engine/msg.c \
    engine/base/*.c engine/wire/*.c engine/mech/*.c engine/session/*.c

# A good handshake and a few messages to begin with.
/usr/bin/python3 - "$build/corpus" <<'SEEDS'
import os
import sys
sys.path.insert(0, "tests/interop")
from zmtp import command, greeting, message, ready

for number, (mine, theirs) in enumerate([(7, "PUSH"), (9, "SUB"), (6, "DEALER"), (4, "REQ"), (2, "PUB")]):
    for minor in (0, 1):
        data = greeting(minor) + ready(theirs, b"me") + command(b"SUBSCRIBE", b"a.") + command(b"PING", b"\0\1ctx")
        data += message(b"", b"one", b"x" * 300) + message(b"\1topic")
        with open(os.path.join(sys.argv[1], f"seed-{number}-{minor}"), "wb") as f:
            f.write(bytes([mine, 3, 64, 9, 1]) + data)
SEEDS
"$build/fuzz_session" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$build/" "$build/corpus"
