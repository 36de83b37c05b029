#!/usr/bin/python3
"""Reads docs/layers.txt and every #include of the product; fails on a forbidden arrow."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def read_rules(lines):
    rules = {"rings": {}, "headers": {}, "outside": {}}
    section = None
    for line in lines:
        words = line.split()
        if line.startswith("["):
            section = line.strip().strip("[]")
        elif section and words and not line.startswith("#"):
            rules[section][words[0]] = words[1:]
    rings = {}
    for name, words in rules["rings"].items():
        files = [w for w in words if "/" in w]
        rings[name] = (files, {w for w in words if "/" not in w and w != "-"})
    return rings, {k: v[0] for k, v in rules["headers"].items()}, rules["outside"]


def ring_of(rings, path):
    best, length = None, 0
    for name, (files, _) in rings.items():
        for f in files:
            if path.startswith(f) and len(f) > length:
                best, length = name, len(f)
    return best


def sources():
    for top in ("engine", "backends", "lua", "modules"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def allowed(rings, headers, outside, path, quote, target):
    ring = ring_of(rings, path)
    if ring is None:
        return f"{path} belongs to no ring"
    if quote == "<":
        for header, who in outside.items():
            if (target == header or header.endswith(("_", "/")) and target.startswith(header)) and ring not in who:
                return f"{path} ({ring}) may not include <{target}>"
        return None
    if ring == "nginx" and "/" not in target:
        return None  # nginx's own dialect: the files of the module beside each other
    if not os.path.exists(os.path.join(ROOT, target)):
        return f'{path} includes "{target}", which is not there (names begin at the root)'
    to = ring_of(rings, target)
    may = rings[ring][1]
    if to == ring or to in may or any(headers.get(w) == target for w in may):
        return None
    return f"{path} ({ring}) may not include {target} ({to})"


def complaints(rules, files, read):
    rings, headers, outside = rules
    for path in files:
        for number, line in enumerate(read(path), 1):
            m = INCLUDE.match(line)
            if m:
                text = allowed(rings, headers, outside, path, m.group(1), m.group(2))
                if text:
                    yield f"line {number}: {text}"


def read_file(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.readlines()


def self_test(rules):
    """A forbidden arrow must be seen: a test that cannot fail is none."""
    bad = [("engine/wire/x.c", '#include "engine/loop.h"'), ("engine/pattern/x.c", '#include "engine/wire/frame.h"'),
           ("engine/session/x.c", '#include "engine/pattern/pipe.h"'), ("engine/socket/x.c", "#include <lua.h>"),
           ("engine/socket/x.c", "#include <openssl/ssl.h>"), ("engine/transport/x.c", "#include <wslay/wslay.h>"),
           ("lua/x.c", '#include "engine/socket/internal.h"'), ("modules/nginx/x.c", '#include "engine/socket.h"')]
    for path, line in bad:
        if not list(complaints(rules, [path], lambda _, text=line: [text])):
            yield f"the check does not see: {path}: {line}"


def main():
    with open(os.path.join(ROOT, "docs", "layers.txt"), encoding="utf-8") as f:
        rules = read_rules(f)
    files = list(sources())
    found = list(self_test(rules)) + list(complaints(rules, files, read_file))
    for line in found:
        print(line)
    print(f"{len(files)} files, {len(found)} forbidden arrows")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
