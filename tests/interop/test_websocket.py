#!/usr/bin/python3
"""ws:// against libraries no one here wrote: the npm zeromq (libzmq 4.3.5 with ws), jszmq in Node and in Chromium."""
import os
import re
import signal
import subprocess
import sys
import time

import zmq

import certs
import nodejs
from cells import WS as PARTNER
from peer import Again, Failed, Script, SLOW, until
from runner import main, tests_of

LIBRARIES = ("zeromq", "jszmq")
BIG = bytes(i * 7 & 255 for i in range(70_000))
MESSAGES = ([b"plain"], [b"a", b"", b"c"], [b"\x00\xff\x80"], [BIG], [b"end"])
UNABLE = {("zeromq", "SUB", "bind"),  # libzmq: a bound SUB sends no subscription over ws
          ("jszmq", "PAIR", "bind")}   # what libraries cannot do


def peer_of(bench, library, kind):
    p = nodejs.NodePeer(library, kind)
    bench.scripts.append(p)
    return p


def join(bench, ours, theirs, we_bind, path="/zmq"):
    if we_bind:
        theirs.connect(ours.bind("ws://127.0.0.1:*" + path))
    else:
        endpoint = f"ws://127.0.0.1:{bench.free_port()}{path}"
        theirs.bind(endpoint)
        ours.connect(endpoint)


def flow(source, sink):
    for frames in MESSAGES:
        source.send(*frames)
        assert sink.recv() == frames


def conversation(asker, answerer, routed):
    """routed: the answerer is a ROUTER and sees who asks."""
    for frames in MESSAGES:
        asker.send(*frames)
        got = answerer.recv()
        assert got[1 if routed else 0:] == frames, got
        answerer.send(*(got[:1] if routed else []), *frames, b"back")
        assert asker.recv() == frames + [b"back"]


def subscribed_flow(ours, publisher, subscriber):
    subscriber.subscribe(b"t.")
    until(lambda: ours.stats()["peers"] == 1, 10, "the connection")

    def heard():
        publisher.send(b"t.probe")
        publisher.send(b"t.probe")
        try:
            return (subscriber.recv(400) if ours is subscriber else subscriber.recv()) == [b"t.probe"]
        except Again:
            return False
    # a subscription takes its time: what is published before it is lost, so ask until the first one comes
    if ours is publisher:
        until(lambda: ours.stats().get("subscriptions", 1) >= 1, 10, "the subscription")
    until(heard, 10, "the first message")
    publisher.send(b"x.unwanted")
    publisher.send(b"t.last", BIG)
    while (got := subscriber.recv()) == [b"t.probe"]:
        continue
    assert got == [b"t.last", BIG]


def exchange(ours, theirs, kind):
    sides = {kind: ours, PARTNER[kind]: theirs}
    if kind == "PAIR":
        flow(ours, theirs)
        flow(theirs, ours)
    elif kind in ("PUSH", "PULL"):
        flow(sides["PUSH"], sides["PULL"])
    elif kind in ("PUB", "SUB"):
        subscribed_flow(ours, sides["PUB"], sides["SUB"])
    elif kind in ("REQ", "REP"):
        conversation(sides["REQ"], sides["REP"], False)
    else:
        conversation(sides["DEALER"], sides["ROUTER"], True)


def matrix(bench, library):
    for kind in PARTNER:
        for we_bind in (True, False):
            if (library, PARTNER[kind], "connect" if we_bind else "bind") in UNABLE:
                continue
            ours = bench.peer().socket(kind)
            theirs = peer_of(bench, library, PARTNER[kind])
            try:
                join(bench, ours, theirs, we_bind)
                exchange(ours, theirs, kind)
            except AssertionError as e:
                raise Failed(f"{kind} with {library}, {'bound' if we_bind else 'connected'}: {e}") from e
            theirs.quit()
            ours.peer.quit()


def test_all_types_with_libzmq(bench):
    matrix(bench, "zeromq")


def test_all_types_with_jszmq(bench):
    matrix(bench, "jszmq")


def test_curve_with_libzmq(bench):
    """The mechanism is the subprotocol ZWS2.0/CURVE, with either end as its server."""
    server, client = ([k.decode() for k in zmq.curve_keypair()] for _ in range(2))
    with open(bench.path("allowed"), "w", encoding="utf-8") as f:
        f.write(client[0] + "\n")
    ours = bench.peer().socket("PULL", curve_server=1, curve_secretkey=server[1], curve_allow=bench.path("allowed"))
    theirs = nodejs.NodePeer("zeromq", "PUSH", {"curveServerKey": server[0], "curvePublicKey": client[0],
                                                "curveSecretKey": client[1]})
    bench.scripts.append(theirs)
    theirs.connect(ours.bind("ws://127.0.0.1:*/c"))
    flow(theirs, ours)
    theirs = nodejs.NodePeer("zeromq", "PULL", {"curveServer": "1", "curveSecretKey": server[1]})
    bench.scripts.append(theirs)
    ours = bench.peer().socket("PUSH", curve_serverkey=server[0], curve_publickey=client[0], curve_secretkey=client[1])
    join(bench, ours, theirs, False)
    flow(ours, theirs)


def test_heartbeats_with_curve(bench):
    """libzmq does not answer a PING in a box over ws: ours is the WebSocket's own, and finds a stopped peer all the same."""
    server, client = ([k.decode() for k in zmq.curve_keypair()] for _ in range(2))
    with open(bench.path("allowed"), "w", encoding="utf-8") as f:
        f.write(client[0] + "\n")
    beat = {"heartbeat_ivl": 100, "heartbeat_timeout": 1500 * SLOW}
    as_server = {"curve_server": 1, "curve_secretkey": server[1], "curve_allow": bench.path("allowed"), **beat}
    as_client = {"curve_serverkey": server[0], "curve_publickey": client[0], "curve_secretkey": client[1], **beat}
    ours = bench.peer().socket("PULL", **as_server)
    theirs = nodejs.NodePeer("zeromq", "PUSH", {"curveServerKey": server[0], "curvePublicKey": client[0],
                                                "curveSecretKey": client[1]})
    bench.scripts.append(theirs)
    theirs.connect(ours.bind("ws://127.0.0.1:*/c"))
    second = bench.peer().socket("PULL", **as_client)
    listener = nodejs.NodePeer("zeromq", "PUSH", {"curveServer": "1", "curveSecretKey": server[1]})
    bench.scripts.append(listener)
    join(bench, second, listener, False)
    one, two = bench.peer().socket("PULL", **as_server), bench.peer().socket("PUSH", **as_client)
    two.connect(one.bind("ws://127.0.0.1:*/d"))
    for sender, receiver in ((theirs, ours), (listener, second), (two, one)):
        flow(sender, receiver)
    time.sleep(2 * 1.5 * SLOW)  # twice the silence that would end them
    for sender, receiver in ((theirs, ours), (listener, second), (two, one)):
        assert "disconnected" not in receiver.events()
        flow(sender, receiver)
    os.kill(theirs.p.pid, signal.SIGSTOP)
    try:
        until(lambda: "disconnected" in ours.events(), 10 * SLOW, "the silence is noticed")
    finally:
        os.kill(theirs.p.pid, signal.SIGCONT)


def test_libzmq_comes_back_after_we_were_gone(bench):
    port = bench.free_port()
    theirs = peer_of(bench, "zeromq", "PUSH")
    theirs.connect(f"ws://127.0.0.1:{port}/x")
    for text in (b"one", b"two"):
        peer = bench.peer()
        ours = peer.socket("PULL")
        ours.bind(f"ws://127.0.0.1:{port}/x")
        theirs.send(text)
        assert ours.recv() == [text]
        peer.quit()


def test_backpressure_reaches_libzmq(bench):
    """Nobody takes messages: the sender's and our queues fill, then it is its turn to wait; nothing is lost."""
    ours = bench.peer().socket("PULL", rcvhwm=10)
    theirs = peer_of(bench, "zeromq", "PUSH")
    theirs.connect(ours.bind("ws://127.0.0.1:*"))
    big = bytes(100_000)
    for i in range(300):  # 30 MB: far more than queues of 10 messages and the kernel's buffers hold
        theirs.p.stdin.write(f"send {i:08x} {big.hex()}\n".encode())
    theirs.p.stdin.flush()
    until(lambda: ours.stats()["queued_in"] >= 10, 10, "our queue is full")
    assert ours.stats()["queued_in"] <= 11
    for i in range(300):
        assert ours.recv()[0] == i.to_bytes(4, "big")


def test_chromium_asks(bench):
    ours = bench.peer().socket("ROUTER")
    page = bench.browser().page("""const s = new zmq.Req(); s.connect(endpoint);
        const said = new Promise((done) => s.on("message", (...m) => done(m.join("|"))));
        s.send(["from", "a page"]); return said;""", ours.bind("ws://127.0.0.1:*/zmq"))
    got = ours.recv(40000)
    assert got[1:] == [b"", b"from", b"a page"], got
    ours.send(got[0], b"", b"hello", b"page")
    assert page.answer() == "hello|page"


def test_chromium_subscribes(bench):
    ours = bench.peer().socket("XPUB")
    page = bench.browser().page("""const s = new zmq.Sub(); s.connect(endpoint); s.subscribe("news.");
        return new Promise((done) => s.on("message", (...m) => done(m.join("|"))));""",
                ours.bind("ws://127.0.0.1:*"))
    assert ours.recv(40000) == [b"\1news."]
    ours.send(b"sports.x")
    ours.send(b"news.today", b"all well")
    assert page.answer() == "news.today|all well"


def secured(bench, kind):
    certs.make(bench.directory.name)
    ours = bench.peer().socket(kind, wss_cert_file=bench.path("server.pem"), wss_key_file=bench.path("server.key"))
    return ours, ours.bind("wss://127.0.0.1:*/zmq").replace("127.0.0.1", "localhost")


def test_jszmq_over_tls(bench):
    """Node.js checks our certificate; without the authority it does not come in."""
    ours, endpoint = secured(bench, "PULL")
    stranger = peer_of(bench, "jszmq", "PUSH")
    stranger.connect(endpoint)
    until(lambda: "handshake_failed_protocol" in ours.events(), 10, "a client that trusts nobody")
    stranger.reap()
    bench.scripts.remove(stranger)
    theirs = nodejs.NodePeer("jszmq", "PUSH", NODE_EXTRA_CA_CERTS=bench.path("ca.pem"))
    bench.scripts.append(theirs)
    theirs.connect(endpoint)
    flow(theirs, ours)


def test_chromium_over_tls(bench):
    ours, endpoint = secured(bench, "ROUTER")
    page = bench.browser().page("""const s = new zmq.Req(); s.connect(endpoint);
        const said = new Promise((done) => s.on("message", (...m) => done(m.join("|"))));
        s.send("secret"); return said;""", endpoint)
    got = ours.recv(40000)
    ours.send(got[0], b"", b"kept")
    assert page.answer() == "kept"


def test_the_pages_examples_run(bench):
    """docs/transports.md: its script, and what a page or a Node program writes to it."""
    with open(os.path.join(os.environ.get("SB_SOURCE", "."), "docs", "transports.md"), encoding="utf-8") as f:
        page = f.read()
    script, client = (re.search(rf"```{kind}\n(.*?)```", page, re.S).group(1) for kind in ("lua", "js"))
    port = bench.free_port()
    for name, text in (("chat.lua", script), ("client.js", client)):
        with open(bench.path(name), "w", encoding="utf-8") as f:
            f.write(text.replace("8080", str(port)))
    bench.scripts.append(Script(bench.path("chat.lua"), bench.backend))
    done = subprocess.run(["node", bench.path("client.js")], cwd=nodejs.FOLDER, capture_output=True, text=True,
                          env=dict(os.environ, NODE_PATH=os.path.join(nodejs.FOLDER, "node_modules")),
                          timeout=30 * SLOW, check=False)
    assert done.stdout.strip() == "echo: hello", (done.stdout, done.stderr)


if __name__ == "__main__":
    nodejs.set_up()
    main(tests_of(sys.modules[__name__]))
