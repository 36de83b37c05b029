"""A promise of the simulator that does not hold is seen, under its name, by a seed that runs again the same way; the
same seed of a whole world is well."""
import os
import re
import subprocess
import sys

BUILD = os.environ.get("SB_BUILD", "build")
SEEDS = 1000
# replay is looked at every 50 seeds only, and not at a single one
PROMISES = ["torn", "twice", "order", "origin", "topic", "answer", "mechanism", "law", "lost", "wire", "limit", "budget", "stuck", "quiet", "contract",
            "leak", "replay"]


def simulate(*arguments):
    done = subprocess.run([f"{BUILD}/tests/simulator", *map(str, arguments)], capture_output=True, text=True, timeout=100)
    return done.returncode, done.stderr.splitlines()


def check(promise):
    code, lines = simulate("--broken", promise, 1, SEEDS)
    assert code != 0 and lines, f"{promise}: {SEEDS} worlds that break it, and nothing was seen"
    found = re.match(r"sim: (\w+): seed=(\d+) ", lines[0])
    assert found and found[1] == promise, f"{promise} is broken, and what was said is: {lines[0]}"
    seed = int(found[2])
    again = simulate("--broken", promise, seed, seed)[1]
    assert again[:1] == lines[:1], f"{promise}: seed {seed} said {lines[0]}, and the next time {again[:1]}"
    code, lines = simulate(seed, seed)
    assert code == 0, f"{promise}: seed {seed} is not well either where nothing is broken: {lines[:1]}"


for name in PROMISES:
    check(name)
code, lines = simulate("--broken", "unheard-of", 1)
assert code == 2 and "usage" in lines[0]
print(f"{len(PROMISES)} promises, each seen when it is broken")
sys.exit(0)
