#!/usr/bin/python3
"""jszmq in every type it has: in pages of headless Chromium over ws and wss, and in Node.js over wss. jszmq is code that no
one here wrote, so is the browser's WebSocket and TLS."""
import sys

import certs
import nodejs
from cells import PAGE, WS
from peer import Failed, until
from runner import main, tests_of
from test_websocket import exchange, secured

NAMES = {"REQ": "Req", "REP": "Rep", "SUB": "Sub", "PUB": "Pub", "XSUB": "XSub", "XPUB": "XPub", "PUSH": "Push",
         "PULL": "Pull", "DEALER": "Dealer", "ROUTER": "Router", "PAIR": "Pair"}
# What the page's socket does; its answer is what it heard, frames joined.
HEAR = 'return new Promise((done) => s.on("message", (...m) => done(m.map(String).join("|"))));'
BODIES = {
    "PUSH": 's.send(["a", "page", ""]);',
    "PULL": HEAR,
    "PAIR": 's.send(["a", "page", ""]); ' + HEAR,
    "DEALER": 's.send(first); ' + HEAR,
    "REQ": 'const said = hear(); s.send(["a", "page", ""]); return said;',
    "REP": 'return new Promise((done) => s.on("message", (...m) => { s.send(["re", ...m.map(String)]); '
           'done(m.map(String).join("|")); }));',
    "ROUTER": 'return new Promise((done) => s.on("message", (id, ...m) => { s.send([id, "re", ...m.map(String)]); '
              'done(m.map(String).join("|")); }));',
    "SUB": 's.subscribe("news."); ' + HEAR,
    "XSUB": 's.send(Buffer.from("\\x01news.")); ' + HEAR,
    "PUB": 'setInterval(() => s.send(["news.today", "all well"]), 50);',
    "XPUB": 'setInterval(() => s.send(["news.today", "all well"]), 50);',
}


def body(ours, theirs):
    first = '["", "a", "page", ""]' if ours == "REP" else '["a", "page", ""]'
    return f"""return (async () => {{
        const first = {first};
        const s = new zmq.{NAMES[theirs]}(); s.connect(endpoint);
        const hear = () => {{ {HEAR} }};
        {BODIES[theirs]}
    }})();"""


def serve(ours, sock, theirs):
    """Our side of it; returns what the page must have heard, None: nothing."""
    asked = [b"a", b"page", b""]
    if ours == "PULL":
        assert sock.recv(40000) == asked
        return None
    if ours == "SUB":
        sock.subscribe(b"news.")
        assert sock.recv(40000) == [b"news.today", b"all well"]
        return None
    if ours in ("PUB", "XPUB"):
        until(lambda: sock.stats()["subscriptions"] == 1, 40, "the page's subscription")
        sock.send(b"sports.x", b"no")
        sock.send(b"news.today", b"all well")
        return "news.today|all well"
    if ours in ("PUSH", "DEALER"):  # a browser takes its time
        until(lambda: sock.stats()["peers"] == 1, 40, "the page")
    if ours == "PUSH" or theirs in ("REP", "ROUTER"):
        envelope = [b""] if theirs == "REP" else []
        sock.send(*envelope, b"from", b"us")
        if ours != "PUSH":
            assert sock.recv(40000) == envelope + [b"re", b"from", b"us"]
        return "from|us"
    got = sock.recv(40000)
    envelope = got[:-3]
    assert got[-3:] == asked and len(envelope) == {"PAIR": 0, "REP": 0}.get(ours, 2 if theirs == "REQ" else 1), got
    sock.send(*envelope, b"hello", b"page")
    return ("|" if ours == "REP" and theirs == "DEALER" else "") + "hello|page"


def pages(bench, over):
    for ours, theirs in PAGE:
        if over == "wss":
            sock, endpoint = secured(bench, ours)
        else:
            sock = bench.peer().socket(ours)
            endpoint = sock.bind("ws://127.0.0.1:*/zmq")
        page = bench.browser().page(body(ours, theirs), endpoint)
        try:
            want = serve(ours, sock, theirs)
            got = page.answer()
            if want is not None and got != want:
                raise Failed(f"the page heard {got!r} instead of {want!r}")
        except AssertionError as e:
            raise Failed(f"our {ours}, {theirs} of the page over {over}: {e}") from e
        page.close()
        sock.peer.quit()
        bench.peers.remove(sock.peer)
        sock.peer.reap()


def test_chromium_over_ws(bench):
    pages(bench, "ws")


def test_chromium_over_wss(bench):
    pages(bench, "wss")


def test_node_over_wss(bench):
    certs.make(bench.directory.name)
    for ours, theirs in WS.items():
        sock, endpoint = secured(bench, ours)
        other = nodejs.NodePeer("jszmq", theirs, NODE_EXTRA_CA_CERTS=bench.path("ca.pem"))
        bench.scripts.append(other)
        other.connect(endpoint)
        try:
            exchange(sock, other, ours)
        except AssertionError as e:
            raise Failed(f"our {ours}: {e}") from e
        other.quit()
        sock.peer.quit()


if __name__ == "__main__":
    nodejs.set_up()
    main(tests_of(sys.modules[__name__]))
