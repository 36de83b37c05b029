"""Starting the contestants of one measurement, counting what arrives and what it costs, ending them whatever happens."""
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
from ports import free_ports  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def hwm(size):
    """The same high water mark for everybody: ten thousand messages, but not more than 16 MiB."""
    return max(100, min(10000, (16 << 20) // size))


class Failed(Exception):
    pass


class Result:
    """One measurement. `rate` is messages per second; `cpu` processor seconds per million messages of all processes,
    `middle` those of the go-between alone; `words` what else the receiver said."""

    def __init__(self, rate, cpu=0.0, middle=0.0, words=()):
        self.rate, self.cpu, self.middle, self.words = rate, cpu, middle, words


def cpu_ns(pid):
    """Processor time of all threads of a process."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
    except OSError:
        pass
    return total


def resident(pid):
    """Octets of memory a process has; the kernel's own for its sockets are not in it."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def tree(pid):
    """A process and all that came of it: nginx works in its children."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            children = [int(p) for p in f.read().split()]
    except OSError:
        children = []
    return [pid] + [p for child in children for p in tree(child)]


class Proc:
    """A command and its part: the receiver counts, the go-between is looked at alone; `settle`: the next one waits so
    many seconds; `opens`: the next one waits until it has said "open"; `core`: where it runs (None: anywhere)."""

    def __init__(self, command, receiver=False, middle=False, settle=0, core=None, opens=False):
        self.command = [str(c) for c in command]
        self.receiver, self.middle, self.settle, self.core, self.opens = receiver, middle, settle, core, opens
        self.process = None

    def start(self):
        pin = ["taskset", "-c", str(self.core)] if self.core is not None else []
        self.process = subprocess.Popen(pin + self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE if self.receiver else subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        time.sleep(self.settle)

    def failed(self):
        return self.process is not None and self.process.poll() not in (None, 0)

    def end(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            for pid in tree(self.process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it went before
        self.process.communicate()


class Run:
    """The processes of one measurement, as a context: they are ended with it."""

    def __init__(self, procs, patience):
        self.procs, self.patience = procs, patience
        self.receiver = next(p for p in procs if p.receiver)
        self.middle = next((p for p in procs if p.middle), None)

    def __enter__(self):
        try:
            for p in self.procs:
                p.start()
                if p.opens:
                    self.line()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for p in self.procs:
            p.end()

    def line(self):
        """The receiver's next line."""
        limit = time.monotonic() + self.patience
        out = self.receiver.process.stdout
        while time.monotonic() < limit:
            if select.select([out], [], [], 0.25)[0]:
                text = out.readline()
                if text:
                    return text.split()
                raise Failed(self.complaint())
            if any(p.failed() for p in self.procs):
                raise Failed(self.complaint())
        raise Failed("no message came in time")

    def complaint(self):
        time.sleep(0.05)
        for p in self.procs:
            if p.failed():
                text = (p.process.stderr.read() or "").strip()[-200:]
                return f"{os.path.basename(p.command[0])} {p.process.returncode}: {text}"
        return "the receiver ended early"

    def cpu(self):
        return {p: sum(cpu_ns(pid) for pid in tree(p.process.pid)) for p in self.procs}


class Bench:
    """What all works need: the programs, the length of a window, how to measure once."""

    def __init__(self, args):
        self.args = args
        self.build = os.path.abspath(args.build)
        self.window, self.warm = (200, 100) if args.quick else (600, 250)
        if args.profile:
            self.window = 2000
        self.repeats = args.repeats or (1 if args.quick else 5)
        self.quick = args.quick
        self.folder = tempfile.mkdtemp(prefix="sbb")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.files = hard
        self.memory = {}  # octets per idle connection, by contestant, as the accept rate was measured

    def finish(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def program(self, name):
        return os.path.join(self.build, "bench", "bench_" + name)

    def script(self, name, backend, size, ports, **more):
        """A broker in Lua; the ports are called from, a and b."""
        words = [f"{key}={port}" for key, port in zip(("from", "a", "b"), ports)]
        words += [f"{key}={value}" for key, value in {"hwm": hwm(size), **more}.items()]
        return [self.program("sb"), "script", f"backend={backend}", f"script={HERE}/scripts/{name}.lua", "--", *words]

    def common(self, size):
        return [f"size={size}", f"hwm={hwm(size)}", f"warm={self.warm}", f"window={self.window}"]

    def measure(self, procs):
        """Messages within the receiver's window, and what they cost."""
        with Run(procs, self.window / 1000 + 8) as run:
            run.line()
            before = run.cpu()
            # Readings just before the end: the receiver leaves as soon as it has said "end", and others follow it.
            share = 0.97
            time.sleep(self.window / 1000 * share)
            used = {p: (ns - before[p]) / share for p, ns in run.cpu().items()}
            words = run.line()
        n, ns = int(words[1]), int(words[2])
        if n == 0:
            raise Failed("nothing arrived")
        return Result(n / ns * 1e9, sum(used.values()) / n / 1e3, used.get(run.middle, 0) / n / 1e3, words[3:])
