"""A real nginx per test: its own prefix folder, ports chosen by the kernel, ended whatever happens, its log checked.

The rules every test gets for free: no [alert] and no sanitizer report in the log, no process left, and no [emerg] or
[crit] that the test does not expect. Waiting is for conditions, with a deadline, never for time to pass.
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from ports import free_port  # noqa: E402

BUILD = os.environ.get("SB_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build"))
BUILD = os.path.abspath(BUILD)
MODULE = os.path.join(BUILD, "ngx_signalbox_module.so")
LIBRARY = os.path.join(BUILD, "libsignalbox.so")
NGINX = os.environ.get("TEST_NGINX_BINARY") or shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
SANITIZED = "asan" in BUILD  # figures of memory mean something else there
PATIENCE = 20.0  # seconds that any one condition may take


def uring_works():
    """Whether this process could make a ring: under seccomp or a sysctl the kernel refuses."""
    params = (ctypes.c_char * 120)()
    fd = ctypes.CDLL(None, use_errno=True).syscall(425, 4, ctypes.byref(params))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def backends():
    """What to run a test on: io_uring where it can be had, and always libuv."""
    return ["uring", "uv"] if uring_works() else ["uv"]


def wait_for(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("gave up waiting: " + what)
        time.sleep(0.005)


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def sanitizer_of(path):
    """The runtime a sanitized library needs to be preloaded, or None."""
    with open(path, "rb") as f:
        if b"libasan.so" not in f.read():
            return None
    cc = shutil.which("gcc") or shutil.which("cc")
    return subprocess.check_output([cc, "-print-file-name=libasan.so"], text=True).strip()


def environment():
    env = dict(os.environ)
    runtime = sanitizer_of(os.path.realpath(LIBRARY))
    if runtime:
        env["LD_PRELOAD"] = os.path.realpath(runtime)
        env["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=0"  # nginx frees its pools by exiting
    env.pop("NGINX", None)
    return env


def end_with_parent():
    """Runs in the child: when the test itself is killed, nginx is told to end."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Daemon:
    """A process that is not our child, with the part of Popen that is needed here."""

    def __init__(self, pid):
        self.pid = pid

    def poll(self):
        return None if is_alive(self.pid) else 0

    def wait(self, timeout=PATIENCE):
        try:
            wait_for(lambda: self.poll() is not None, "process %d to end" % self.pid, timeout)
        except AssertionError:
            raise subprocess.TimeoutExpired("nginx", timeout) from None
        return 0

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


class Nginx:
    """One nginx. `block` is what stands inside signalbox { }."""

    def __init__(self, block=None, scripts=None, workers=1, main="", events="", http="", master=True, modules=(), daemon=False):
        self.prefix = tempfile.mkdtemp(prefix="sbn")
        os.chmod(self.prefix, 0o755)
        self.log_path = os.path.join(self.prefix, "error.log")
        self.conf_path = os.path.join(self.prefix, "nginx.conf")
        self.process = None
        self.wrap = []  # a program and its arguments to start nginx with
        self.env = environment()
        self.expected = []  # patterns of [emerg] and [crit] lines that are part of the test
        self.seen = 0  # how much of the log was looked at by wait_log
        self.options = dict(workers=workers, main=main, events=events, http=http, master=master, modules=modules,
                            daemon=daemon)
        for name, text in (scripts or {}).items():
            self.write(name, text)
        self.configure(block)

    # ---- files ----

    def path(self, name):
        return os.path.join(self.prefix, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def configure(self, block, **changes):
        self.options.update(changes)
        o = self.options
        lines = ["load_module %s;" % m for m in list(o["modules"]) or [MODULE]]
        lines += ["daemon %s;" % ("on" if o["daemon"] else "off"), "error_log %s info;" % self.log_path, "pid %s;" % self.path("nginx.pid")]
        if "LD_PRELOAD" in self.env:  # a new binary gets only what is named
            lines += ["env LD_PRELOAD;", "env ASAN_OPTIONS;"]
        lines += ["worker_processes %s;" % o["workers"]]
        if not o["master"]:
            lines += ["master_process off;"]
        lines += [o["main"], "events { worker_connections 512; %s }" % o["events"]]
        if block is not None:
            lines += ["signalbox {", block, "}"]
        if o["http"]:
            temps = "".join("%s_temp_path %s;" % (kind, self.path(kind)) for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            lines += ["http { access_log off; %s %s }" % (temps, o["http"])]
        self.write("nginx.conf", "\n".join(lines) + "\n")

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    # ---- life ----

    def command(self, *args):
        return [*self.wrap, NGINX, "-p", self.prefix, "-c", self.conf_path, "-e", self.log_path, *args]

    def test(self):
        """nginx -t: (exit code, what it said)."""
        done = subprocess.run(self.command("-t"), env=self.env, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def launch(self):
        with open(self.path("stderr"), "ab") as err:
            self.process = subprocess.Popen(self.command(), env=self.env, stderr=err, stdin=subprocess.DEVNULL,
                                            preexec_fn=end_with_parent)
        if self.options["daemon"]:
            self.process.wait(PATIENCE)
            self.process = Daemon(self.read_pid())
        return self

    def read_pid(self):
        def read():
            try:
                with open(self.path("nginx.pid")) as f:
                    return f.read().strip()
            except FileNotFoundError:
                return ""
        return int(wait_for(read, "nginx.pid"))

    def start(self):
        self.launch()
        self.wait_ready()
        return self

    def wait_log(self, pattern, patience=PATIENCE):
        """Waits for a line after the last one waited for; returns the match."""
        def look():
            found = re.compile(pattern).search(self.log(), self.seen)
            if not found and self.process is not None and self.process.poll() is not None:
                found = re.compile(pattern).search(self.log(), self.seen)
                if not found:
                    raise AssertionError("nginx ended, no %r in:\n%s" % (pattern, self.log()))
            return found
        try:
            match = wait_for(look, "log line %r" % pattern, patience)
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (e, self.log()[-4000:])) from None
        self.seen = match.end()
        return match

    def wait_ready(self, backend=r"\w+"):
        return self.wait_log(r"signalbox: ready backend=(%s) sockets=(\d+)" % backend)

    def workers(self):
        return children(self.process.pid)

    def owner(self):
        """The worker that wrote the last ready line."""
        return int(re.findall(r"\[notice\] (\d+)#\d+: signalbox: ready", self.log())[-1])

    def signal(self, number):
        os.kill(self.process.pid, number)

    def reload(self):
        """Reloads and waits until the new owner is ready; returns (old workers, new ready line)."""
        old = self.workers()
        self.signal(signal.SIGHUP)
        ready = self.wait_ready()
        return old, ready

    def wait_gone(self, pids, patience=PATIENCE):
        wait_for(lambda: not any(is_alive(p) for p in pids), "processes %s to end" % pids, patience)

    def wait_end(self, patience=PATIENCE):
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError("nginx does not end\n" + self.log()[-4000:]) from None

    def quit(self, patience=PATIENCE):
        self.signal(signal.SIGQUIT)
        return self.wait_end(patience)

    def end_other_binaries(self):
        """After USR2 there are two masters, and the other one may be left over."""
        for name in ("nginx.pid", "nginx.pid.oldbin"):
            try:
                with open(self.path(name)) as f:
                    pid = int(f.read())
            except (FileNotFoundError, ValueError):
                continue
            if self.process is not None and pid != self.process.pid and is_alive(pid):
                os.kill(pid, signal.SIGTERM)
                wait_for(lambda p=pid: not is_alive(p), "the other master to end")

    def end(self):
        """Ends every process, whatever state it is in, and removes the prefix."""
        self.end_other_binaries()
        if self.process is not None and self.process.poll() is None:
            family = self.workers()
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for pid in family:
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
        complaints = self.complaints()
        if not os.environ.get("SB_KEEP"):
            shutil.rmtree(self.prefix, ignore_errors=True)
        return complaints

    def complaints(self):
        bad = []
        text = self.log()
        try:
            with open(self.path("stderr"), errors="replace") as f:
                text += f.read()
        except FileNotFoundError:
            pass
        for line in text.splitlines():
            if re.search(r"\[alert\]|Sanitizer|runtime error:|exited on signal (?!9)", line):
                if "exited on signal 9" not in line:
                    bad.append(line)
            elif re.search(r"\[(emerg|crit)\]", line) and not any(re.search(e, line) for e in self.expected):
                bad.append(line)
        return bad[:8] + (["... %d more" % (len(bad) - 8)] if len(bad) > 8 else [])


class NginxTest(unittest.TestCase):
    """Ends what a test started, then checks the logs."""

    def setUp(self):
        self.servers = []
        self.sockets = []  # a forgotten socket is closed by Python, with what it holds
        self.context = zmq.Context()
        self.addCleanup(self.finish)

    def finish(self):
        self.context.destroy(linger=0)
        complaints = [c for server in self.servers for c in server.end()]
        self.assertEqual(complaints, [], "the log complains")

    def nginx(self, *args, **kwargs):
        server = Nginx(*args, **kwargs)
        self.servers.append(server)
        return server

    def socket(self, kind, **options):
        sock = self.context.socket(kind)
        sock.linger = 0
        sock.rcvtimeo = sock.sndtimeo = int(PATIENCE * 1000)
        for name, value in options.items():
            setattr(sock, name, value)
        self.sockets.append(sock)
        return sock

    def connect(self, kind, port, **options):
        sock = self.socket(kind, **options)
        sock.connect("tcp://127.0.0.1:%d" % port if isinstance(port, int) else port)
        return sock


def main():
    """Runs the calling file's tests. What is missing is a skip that ctest sees (77), never a pass."""
    for need, what in ((NGINX, "nginx"), (os.path.exists(MODULE), MODULE), (os.path.exists(LIBRARY), LIBRARY)):
        if not need:
            print("skipped: no", what)
            sys.exit(77)
    result = unittest.main(exit=False, verbosity=2, warnings="ignore").result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
