#!/usr/bin/python3
"""The matrix again, now with a Lua script on our side: each type, binding and connecting, inside `signalbox run` and inside
a real nginx, against libzmq."""
import os
import sys

import zmq

from peer import HERE, Failed, until
from runner import main
from test_matrix import BODIES, equal

sys.path.insert(0, os.path.join(os.path.dirname(HERE), "nginx"))
import harness  # noqa: E402  (tests/nginx/harness.py)

SCRIPT = os.path.join(HERE, "type.lua")
PARTNERS = {
    "pair": ["PAIR"], "dealer": ["DEALER"], "router": ["DEALER", "REQ"], "rep": ["REQ"], "req": ["REP"],
    "pull": ["PUSH"], "push": ["PULL"], "sub": ["PUB", "XPUB"], "xsub": ["PUB"], "pub": ["SUB"], "xpub": ["SUB", "XSUB"],
}


class InNginx:
    """nginx with the script, with the calls of a Script."""
    name = "nginx"

    def __init__(self, path, backend, **args):
        words = " ".join(f"{k}={v}" for k, v in args.items())
        self.server = harness.Nginx(f"script {path} {words};\nbackend {backend};\nlinger 1s;",
                                    main="user root;" if os.geteuid() == 0 else "")
        try:
            self.server.start()
        except AssertionError:
            self.server.end()
            raise

    def text(self):
        return self.server.log()

    def quit(self):
        code = self.server.quit()
        complaints = self.server.end()
        if code != 0 or complaints:
            raise Failed(f"nginx ended with {code}: {complaints}")

    def reap(self):
        self.server.end()


def start(bench, host, **args):
    if host == "run":
        return bench.script(SCRIPT, **args)
    server = InNginx(SCRIPT, bench.backend, **args)
    bench.scripts.append(server)
    return server


def run(bench, host, kind, partner, how):
    at = f"tcp://127.0.0.1:{bench.free_port()}"
    out, inp = bench.zmq("PULL"), bench.zmq("PUSH")
    for s in (out, inp):
        s.bind("tcp://127.0.0.1:*")
    theirs = bench.zmq(partner)
    if how == "connect":
        theirs.bind("tcp://127.0.0.1:*")
        at = theirs.getsockopt_string(zmq.LAST_ENDPOINT)
    if partner == "SUB":
        theirs.subscribe(b"")
    start(bench, host, kind=kind, how=how, at=at, out=out.getsockopt_string(zmq.LAST_ENDPOINT),
          inp=inp.getsockopt_string(zmq.LAST_ENDPOINT))
    if how == "bind":
        theirs.connect(at)
    if partner == "XSUB":
        theirs.send(b"\1")
    exchange(kind, theirs, out, inp)


def exchange(kind, theirs, out, inp):
    if kind in ("sub", "xsub"):
        probe(theirs, out)
    if kind in ("pub", "xpub"):
        probe(inp, theirs)
    for body in BODIES:
        if kind in ("pair", "dealer", "router", "rep"):
            there, back = theirs, theirs
        elif kind in ("pull", "sub", "xsub"):
            there, back = theirs, out
        else:
            there, back = inp, theirs
        there.send_multipart(body)
        if kind == "req":
            asked = theirs.recv_multipart()
            equal(asked, body, "request")
            theirs.send_multipart(asked)
            back = out
        equal(back.recv_multipart(), body, kind)


def probe(sender, receiver):
    """Nobody tells when a subscription has arrived: send until one comes through, then until the last has."""
    receiver.rcvtimeo = 20

    def there():
        sender.send(b"probe")
        try:
            return receiver.recv() == b"probe"
        except zmq.Again:
            return False
    until(there, 10, "the subscription arrived")
    receiver.rcvtimeo = 5000
    sender.send(b"end")
    until(lambda: receiver.recv() == b"end", 5, "the last probe")


def matrix():
    for host in ("run", "nginx"):
        for kind, partners in PARTNERS.items():
            for partner in partners:
                for how in ("bind", "connect"):
                    def test(bench, words=(host, kind, partner, how)):
                        run(bench, *words)
                    yield f"test_{host}_{kind}_{how}s_to_{partner}", test


if __name__ == "__main__":
    if not (harness.NGINX and os.path.exists(harness.MODULE)):
        print("no nginx, or no module for it")
        sys.exit(77)
    main(list(matrix()))
