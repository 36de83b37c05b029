"""Where the time of a measurement goes: to which process, and in the go-between to the kernel, to us, to Lua.

The kernel's share comes from /proc; with perf installed the rest is divided too. Not for absolute figures: being watched costs.
"""
import os
import re
import shutil
import subprocess
import time

from harness import Failed, Run, tree

PARTS = [("kernel", "kernel"), ("Signalbox", "signalbox"), ("Lua", "liblua"), ("libzmq", "libzmq"), ("libc", "libc.so"),
         ("itself", "bench_")]


def ticks(pids):
    """(user, system) processor time in clock ticks."""
    user = system = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                words = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        user, system = user + int(words[11]), system + int(words[12])
    return user, system


def start_perf(bench, pid, seconds):
    if shutil.which("perf") is None:
        return None, None
    out = os.path.join(bench.folder, "perf.data")
    return out, subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "999", "-p", str(pid), "-o", out, "--",
                                  "sleep", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def shares_of(out):
    """Percent of the samples by part; what no part claims is "other"."""
    said = subprocess.run(["perf", "report", "-i", out, "--stdio", "--sort", "dso"], capture_output=True, text=True).stdout
    shares = dict.fromkeys([name for name, _ in PARTS] + ["other"], 0.0)
    for percent, dso in re.findall(r"^\s+([\d.]+)%\s+(\S+)", said, re.M):
        shares[next((name for name, word in PARTS if word in dso), "other")] += float(percent)
    return shares


def look(bench, work, kind, size):
    """(messages/s, [processor us per message of each process], shares of the go-between)."""
    with Run(work.procs(bench, kind, size), bench.window / 1000 + 8) as run:
        run.line()
        middle = run.middle or run.receiver
        pids = tree(middle.process.pid)
        cpu, spent = run.cpu(), ticks(pids)
        seconds = bench.window / 1000 * 0.9
        out, perf = start_perf(bench, middle.process.pid, seconds / 2)
        time.sleep(seconds)
        used = [(ns - cpu[p]) / seconds for p, ns in run.cpu().items()]
        user, system = (b - a for a, b in zip(spent, ticks(pids)))
        if perf is not None:
            perf.wait()
        words = run.line()
        rate = int(words[1]) / int(words[2]) * 1e9
        shares = shares_of(out) if perf is not None else {}
        if not any(shares.values()):
            shares = {"kernel": 100 * system / max(1, user + system)}
    return rate, [ns / rate / 1e3 for ns in used], shares


def show(bench, work, sizes, kinds):
    print(f"\n{work.title}: processor time, microseconds a message")
    print(f"{work.size_name:>9}  {'who':<30}{'all':>8}{'middle':>8}  the middle's shares")
    for size in sizes:
        for kind, label in work.who:
            if kind not in kinds:
                continue
            try:
                rate, used, shares = look(bench, work, kind, size)
            except Failed as e:
                print(f"{size:>9}  {label:<30}  {e}")
                continue
            named = ", ".join(f"{name} {share:.0f} %" for name, share in shares.items() if share >= 0.5)
            print(f"{size:>9}  {label:<30}{sum(used):>8.3f}{used[0]:>8.3f}  {named}", flush=True)
