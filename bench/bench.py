#!/usr/bin/python3
"""Benchmarks: Signalbox beside libzmq and beside raw sockets, in the same run.

Every row is measured several times, the contestants taking turns, and the table shows medians. A receiver counts what
really arrived in a window after a warm-up; the processor time of all go-betweens and ends is read over the same window.
Nothing is asserted here: a benchmark measures. What is measured is in works/, one file per work.
"""
import argparse
import os
import platform
import re
import subprocess
import sys
import time

import picture
import profile_shares
import report
from harness import HERE, Bench
from works import Rows, every

DOCS = os.path.join(HERE, "..", "docs")


def options(names):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", help="one repeat, short windows (under two minutes)")
    parser.add_argument("--repeats", type=int, default=0)
    parser.add_argument("--only", action="append", choices=names)
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--kind", action="append", help="only contestants whose name contains this (and raw, zmq)")
    parser.add_argument("--connect", help="of --only external: where another broker listens, IN,OUT")
    parser.add_argument("--command", help="of --only external: how another broker is started, with {in} and {out}")
    parser.add_argument("--docs", action="store_true", help="write the tables and the picture into docs/")
    parser.add_argument("--profile", action="store_true", help="where the time goes, instead of how long it takes")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def chosen(args, work):
    if args.only:
        return work.name in args.only
    return work.name != "external" or args.connect or args.command


def kinds(args, work):
    return [kind for kind, _ in work.who
            if not args.kind or kind in (work.rival, work.limit) or any(k in kind for k in args.kind)]


def machine(bench, seconds):
    """What the figures were measured on."""
    zmq = subprocess.run(["pkg-config", "--modversion", "libzmq"], capture_output=True, text=True).stdout.strip()
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    return (f"{os.cpu_count()} cores ({model.group(1) if model else platform.machine()}), kernel {platform.release()}, "
            f"libzmq {zmq or '?'}; medians of {bench.repeats}, contestants taking turns, {seconds:.0f} s")


def write_docs(measured, about):
    with open(os.path.join(DOCS, "performance.svg"), "w") as f:
        f.write(picture.svg(measured))
    page = os.path.join(DOCS, "performance.md")
    with open(page) as f:
        text = f.read()
    begin, end = "<!-- results -->\n", "<!-- end of results -->"
    head, rest = text.split(begin)
    with open(page, "w") as f:
        f.write(head + begin + about + ".\n\n![times as fast as libzmq](performance.svg)\n\n" + report.markdown(measured)
                + end + rest.split(end)[1])


def main():
    works = every()
    args = options(sorted({w.name for w in works}))
    bench = Bench(args)
    if not os.path.exists(bench.program("raw")):
        sys.exit(f"no benchmark programs in {bench.build}/bench")
    began, measured = time.monotonic(), []
    try:
        for work in works:
            sizes = [s for s in work.sizes if not args.size or s in args.size]
            if not sizes or not chosen(args, work):
                continue
            if args.profile:
                profile_shares.show(bench, work, sizes, kinds(args, work))
                continue
            rows = Rows(work)
            rows.measure(bench, sizes, kinds(args, work),
                         lambda line: print(line, file=sys.stderr) if args.verbose else None)
            report.text(rows, sizes)
            measured.append((rows, sizes))
    finally:
        bench.finish()
    if args.profile:
        return
    about = machine(bench, time.monotonic() - began)
    print("\n" + about)
    if args.docs:
        write_docs(measured, about)


if __name__ == "__main__":
    main()
