"""Running the cases of one file: one line each, a summary, and the exit code that ctest reads (77: nothing could be run)."""
import argparse
import time
import traceback


class NotHere(Exception):
    """What a case needs is not allowed, or not there."""


def report(name, function):
    """What came of it: "passed", "failed" or "not run"."""
    began = time.monotonic()
    try:
        function()
        return "passed"
    except NotHere as why:
        print(f"  not run here: {why}")
        return "not run"
    except Exception:
        traceback.print_exc()
        return "failed"
    finally:
        print(f"{time.monotonic() - began:6.2f} s  {name}", flush=True)


def of(names):
    """The functions named test_* among a module's names."""
    return [(n, f) for n, f in names.items() if n.startswith("test_") and callable(f)]


def main(cases, run, uring_works):
    """`run(function, backend)` runs one of the cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="auto")
    parser.add_argument("only", nargs="*", help="names, or parts of them")
    args = parser.parse_args()
    if args.backend == "uring" and not uring_works():
        print("no io_uring here")
        return 77
    chosen = [(n, f) for n, f in cases if not args.only or any(o in n for o in args.only)]
    came = {name: report(name, lambda f=function: run(f, args.backend)) for name, function in chosen}
    failed, not_run = ([n for n, what in came.items() if what == kind] for kind in ("failed", "not run"))
    print(f"{len(came)} tests, {len(failed)} failed, {len(not_run)} not run here"
          + "".join(f"\n  failed: {name}" for name in failed))
    if failed or not came:
        return 1
    return 77 if len(not_run) == len(came) else 0
