#!/usr/bin/python3
"""Several services behind one port: libzmq's peers find the one without a name, ours and a hand-made one name theirs; also in
nginx, whose master opens the port."""
import os
import sys

import zmq

from peer import HERE, until
from remote import Remote
from runner import main, tests_of
from zmtp import COMMAND, Raw, command, greeting, prop

sys.path.insert(0, os.path.join(os.path.dirname(HERE), "nginx"))
import harness  # noqa: E402  (tests/nginx/harness.py)

SERVICES = """
local sb = require "signalbox"
local at = (...).at
local function service(text)
  return function(msg) return text .. ": " .. msg[1] end
end
sb.rep { name = "orders", bind = at .. "/orders" }:on_message(service "orders")
sb.router { name = "ticks", bind = at .. "/ticks/eu" }:on_message(service "ticks")
sb.rep { name = "plain", bind = at }:on_message(service "plain")
"""


def hand_made(at, kind, resource):
    """The first command after the handshake began: READY, or ERROR."""
    raw = Raw.connect(at)
    raw.send(greeting())
    raw.read(64)
    data = prop(b"Socket-Type", kind)
    if resource:
        data += prop(b"Resource", resource)
    raw.send(command(b"READY", data))
    flags, body = raw.frame()
    assert flags == COMMAND
    return raw, body


def check_services(bench, at):
    req = bench.zmq("REQ")  # libzmq does not know resources
    req.connect(at)
    req.send(b"x")
    assert req.recv() == b"plain: x"
    for resource, kind in ((b"orders", b"REP"), (b"ticks/eu", b"ROUTER"), (b"", b"REP")):
        raw, body = hand_made(at, b"REQ", resource)
        assert body.startswith(b"\5READY") and kind in body, body
        raw.close()
    raw, body = hand_made(at, b"REQ", b"nothing")
    assert body.startswith(b"\5ERROR") and b"no such resource" in body, body
    assert raw.closed()
    raw.close()
    remote = Remote(bench)
    for resource, text in (("orders", "orders: y"), ("ticks/eu", "ticks: y")):
        got = remote(f"local r <close> = sb.req {{ connect = '{at}/{resource}', linger = 0 }} return r:request('y', 5)[1]")
        assert got == text, got


def test_services_of_a_script(bench):
    path = bench.path("services.lua")
    with open(path, "w", encoding="ascii") as f:
        f.write(SERVICES)
    at = f"tcp://127.0.0.1:{bench.free_port()}"
    bench.script(path, at=at)
    check_services(bench, at)


def test_services_in_nginx(bench):
    if not (harness.NGINX and os.path.exists(harness.MODULE)):
        raise AssertionError("no nginx, or no module for it")
    at = f"tcp://127.0.0.1:{bench.free_port()}"
    server = harness.Nginx(f"script a.lua at={at};\nbackend {bench.backend};\nlinger 1s;",
                           main="user root;" if os.geteuid() == 0 else "", scripts={"a.lua": SERVICES})
    try:
        server.start()
        check_services(bench, at)
        server.reload()
        check_services(bench, at)
        assert server.quit() == 0
    finally:
        complaints = server.end()
    assert not complaints, complaints


def test_a_client_of_ours_says_what_it_wants(bench):
    remote = Remote(bench)
    rep = bench.zmq("REP")  # libzmq ignores the property
    rep.bind("tcp://127.0.0.1:*")
    at = rep.getsockopt_string(zmq.LAST_ENDPOINT)
    remote(f"req = sb.req {{ connect = '{at}/anything', linger = 0 }} sb.spawn(function() rep = req:request('x', 5) end)")
    assert rep.recv() == b"x"
    rep.send(b"y")
    until(lambda: remote("return rep and rep[1]") == "y", 5, "the answer")


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
