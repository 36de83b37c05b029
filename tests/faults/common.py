"""What the fault tests share: sizes, a target for each test, and how they are run. Each test prints its figure.
SB_FAULTS=full takes the sizes of docs/security-rows.md instead of those that fit into a minute."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "interop")]
import cases  # noqa: E402
from cases import NotHere  # noqa: E402, F401
from runner import uring_works  # noqa: E402
from target import Target  # noqa: E402

SANITIZED = "asan" in os.environ.get("SB_BUILD", "")  # figures of memory and time mean something else there
FULL = os.environ.get("SB_FAULTS") == "full"
MIB = 1 << 20


def size(slice_size, full_size):
    return full_size if FULL else slice_size


def with_target(function=None, **options):
    """Each test gets a target of its own and ends it, also when failing."""
    def wrap(test):
        def run(backend):
            target = Target(backend, **options)
            try:
                test(target)
            finally:
                target.close()
        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run
    return wrap(function) if function else wrap


def closed_within(raw, seconds):
    """Reads until the end; how long that took."""
    begin = time.monotonic()
    raw.sock.settimeout(seconds)
    try:
        while raw.sock.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - begin


def until(condition, seconds, what):
    """Waits for a condition; the seconds are only the end of a test that hangs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def patience():
    """How much longer than its work something takes now: machines that test are loaded. Times that were promised are
    multiplied with it; 20 times as much where a sanitizer looks on."""
    wall, work = time.monotonic(), time.process_time()
    while time.process_time() - work < 0.1:
        pass
    return max(1.0, (time.monotonic() - wall) / 0.1) * (20 if SANITIZED else 1)


def main(names):
    return cases.main(cases.of(names), lambda function, backend: function(backend), uring_works)
