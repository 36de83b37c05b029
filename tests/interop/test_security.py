#!/usr/bin/python3
"""PLAIN and CURVE against libzmq, both ways, and who is let in: sb.authenticate, ZAP handlers, refusals that are seen."""
import os
import sys
import time

import zmq
import zmq.auth.thread
import zmq.utils.monitor

from peer import HERE, Failed, SLOW, until
from runner import main, tests_of
from test_scripts import InNginx
from zmtp import Raw, greeting

AUTH, ZAP = (os.path.join(HERE, f) for f in ("auth.lua", "zap.lua"))
TRAFFIC = [b"", b"x", b"y" * 300, b"z" * 70_000]


def keys():
    """(public, secret) in Z85"""
    return tuple(k.decode() for k in zmq.curve_keypair())


PEOPLE, SERVERS = [keys() for _ in range(2)], [keys() for _ in range(3)]


def as_client(mechanism, person=0, server=0, password="secret"):
    if mechanism == "PLAIN":
        return dict(plain_username="ada", plain_password=password)
    public, secret = PEOPLE[person]
    return dict(curve_secretkey=secret, curve_publickey=public, curve_serverkey=SERVERS[server][0])


def as_server(mechanism, server=0):
    if mechanism == "PLAIN":
        return dict(plain_server=1)
    return dict(curve_server=1, curve_secretkey=SERVERS[server][1])


def octets(options):
    return {k: v.encode() if isinstance(v, str) else v for k, v in options.items()}


def zmq_client(bench, kind, mechanism, **how):
    return bench.zmq(kind, **octets(as_client(mechanism, **how)))


def monitored(sock):
    return sock.get_monitor_socket(zmq.EVENT_ALL)


def hears(monitor, event, seconds=5):
    limit = time.monotonic() + seconds * SLOW
    while time.monotonic() < limit:
        if monitor.poll(100) and zmq.utils.monitor.recv_monitor_message(monitor)["event"] == event:
            return True
    return False


def exchange(ours, theirs, sends):
    """Messages from `sends` to the other, of every size, in one part and in several."""
    for frames in [[t] for t in TRAFFIC] + [TRAFFIC]:
        if sends == "ours":
            ours.send(*frames)
            assert theirs.recv_multipart() == frames
        else:
            theirs.send_multipart(frames)
            assert ours.recv() == frames


# ---- our server, their client ----

def our_server(bench, mechanism, kind, status=200):
    p = bench.peer()
    p.ask(f"auth {status}")
    return p.socket(kind, **as_server(mechanism))


def test_libzmq_clients_talk_to_our_server(bench):
    for mechanism in ("PLAIN", "CURVE"):
        a = our_server(bench, mechanism, "PAIR")
        b = zmq_client(bench, "PAIR", mechanism)
        b.connect(a.bind("tcp://127.0.0.1:*"))
        exchange(a, b, "theirs")
        exchange(a, b, "ours")
        user = a.peers()[0].rsplit("/", 1)[1] if mechanism == "PLAIN" else a.peers()[0][-40:]
        assert user == ("ada" if mechanism == "PLAIN" else PEOPLE[0][0]), a.peers()


def test_subscriptions_pass_both_ways(bench):
    for mechanism in ("PLAIN", "CURVE"):
        a = our_server(bench, mechanism, "XPUB")
        b = zmq_client(bench, "SUB", mechanism)
        b.connect(a.bind("tcp://127.0.0.1:*"))
        b.subscribe(b"news.")
        assert a.recv() == [b"\1news."]
        a.send(b"news.1", b"text")
        assert b.recv_multipart() == [b"news.1", b"text"]
        b.unsubscribe(b"news.")
        assert a.recv() == [b"\0news."]


def test_refused_libzmq_clients_are_told(bench):
    for mechanism in ("PLAIN", "CURVE"):
        # libzmq's PLAIN client cannot read ERROR: it looks for a name of "\x5eRROR"
        told = zmq.EVENT_HANDSHAKE_FAILED_AUTH if mechanism == "CURVE" else zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        for status, event in ((400, told), (300, zmq.EVENT_DISCONNECTED)):
            a = our_server(bench, mechanism, "PULL", status)
            b = zmq_client(bench, "PUSH", mechanism)
            monitor = monitored(b)
            b.connect(a.bind("tcp://127.0.0.1:*"))
            assert hears(monitor, event), (mechanism, status)
            assert "handshake_failed_auth" in until(lambda: a.events(), 5, "an event")
            assert a.stats()["handshake_failures"] >= 1 and a.stats()["peers"] == 0
            b.disable_monitor()


def test_a_plain_server_that_asks_nobody_refuses_everybody(bench):
    a = bench.peer().socket("PULL", plain_server=1)
    b = zmq_client(bench, "PUSH", "PLAIN")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    until(lambda: a.stats()["handshake_failures"] > 0, 5, "a refusal")
    assert a.stats()["peers"] == 0


def test_curve_without_authenticator_only_encrypts(bench):
    a = bench.peer().socket("PULL", **as_server("CURVE"))
    b = zmq_client(bench, "PUSH", "CURVE")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    b.send(b"x")
    assert a.recv() == [b"x"]


def test_a_zap_domain_without_handler_refuses(bench):
    a = bench.peer().socket("PULL", zap_domain="d", **as_server("CURVE"))
    b = zmq_client(bench, "PUSH", "CURVE")
    b.connect(a.bind("tcp://127.0.0.1:*"))
    until(lambda: a.stats()["handshake_failures"] > 0, 5, "a refusal")
    assert a.stats()["peers"] == 0


def test_wrong_keys_and_mechanisms_do_not_come_in(bench):
    a = our_server(bench, "CURVE", "PULL")
    endpoint = a.bind("tcp://127.0.0.1:*")
    for how in (dict(mechanism="CURVE", server=1), dict(mechanism="PLAIN")):
        b = zmq_client(bench, "PUSH", **how)
        b.connect(endpoint)
    bench.zmq("PUSH").connect(endpoint)
    until(lambda: a.stats()["handshake_failures"] >= 3, 5, "three refusals")
    good = zmq_client(bench, "PUSH", "CURVE")
    good.connect(endpoint)
    good.send(b"x")
    assert a.recv() == [b"x"]
    assert a.stats()["peers"] == 1


# ---- their server, our client ----

def authenticator(bench):
    auth = zmq.auth.thread.ThreadAuthenticator(bench.context)
    auth.start()
    auth.configure_plain(domain="*", passwords={"ada": "secret"})
    auth.configure_curve_callback(credentials_provider=Keys())
    return auth


class Keys:
    @staticmethod
    def callback(_domain, key):
        return key.decode() == PEOPLE[0][0]


def test_our_clients_talk_to_a_libzmq_server(bench):
    auth = authenticator(bench)
    try:
        for mechanism in ("PLAIN", "CURVE"):
            a = bench.peer().socket("PAIR", **as_client(mechanism))
            b = bench.zmq("PAIR", **octets(as_server(mechanism)))
            port = b.bind_to_random_port("tcp://127.0.0.1")
            a.connect(f"tcp://127.0.0.1:{port}")
            exchange(a, b, "ours")
            exchange(a, b, "theirs")
    finally:
        auth.stop()


def test_our_subscriber_hears_a_libzmq_publisher(bench):
    a = bench.peer().socket("SUB", **as_client("CURVE"))
    b = bench.zmq("XPUB", **octets(as_server("CURVE")))
    a.subscribe(b"n")
    a.connect(f"tcp://127.0.0.1:{b.bind_to_random_port('tcp://127.0.0.1')}")
    assert b.recv() == b"\1n"
    b.send_multipart([b"news", b"text"])
    assert a.recv() == [b"news", b"text"]


def test_our_refused_client_says_so_and_does_not_hammer(bench):
    auth = authenticator(bench)
    try:
        for mechanism, wrong in (("PLAIN", dict(password="no")), ("CURVE", dict(person=1))):
            a = bench.peer().socket("PUSH", reconnect_ivl=50, **as_client(mechanism, **wrong))
            b = bench.zmq("PULL", **octets(as_server(mechanism)))
            a.connect(f"tcp://127.0.0.1:{b.bind_to_random_port('tcp://127.0.0.1')}")
            events = until(lambda: [e for e in a.events() if e == "handshake_failed_auth"], 5, "the refusal")
            time.sleep(1.5)
            events += a.events()
            assert 1 <= events.count("handshake_failed_auth") <= 8, events  # 50 ms would make 30
            assert a.stats()["handshake_failures"] >= 1
    finally:
        auth.stop()


def test_heartbeats_pass_in_boxes(bench):
    for server in (True, False):
        options = as_server("CURVE") if server else as_client("CURVE")
        a = bench.peer().socket("PAIR", heartbeat_ivl=100, heartbeat_timeout=2000 * SLOW, **options)
        theirs = as_client("CURVE") if server else as_server("CURVE")
        b = bench.zmq("PAIR", heartbeat_ivl=100, heartbeat_timeout=2000 * SLOW, **octets(theirs))
        if server:
            b.connect(a.bind("tcp://127.0.0.1:*"))
        else:
            a.connect(f"tcp://127.0.0.1:{b.bind_to_random_port('tcp://127.0.0.1')}")
        until(lambda: a.stats()["peers"] == 1, 5, "the handshake")
        time.sleep(1)
        b.send(b"x")
        assert a.recv() == [b"x"]
        assert "disconnected" not in a.events()


def test_a_flood_arrives_whole_and_in_order(bench):
    for sends in ("ours", "theirs"):
        a = our_server(bench, "CURVE", "PULL" if sends == "theirs" else "PUSH")
        b = bench.peer().socket("PUSH" if sends == "theirs" else "PULL", **as_client("CURVE"))
        b.connect(a.bind("tcp://127.0.0.1:*"))
        source, target = (a, b) if sends == "ours" else (b, a)
        target.sink(every=7000, rest_ms=5)
        source.blast(50_000, 100)
        source.wait(60)
        until(lambda: target.sunk()[0] == 50_000, 60, "all of it")
        assert target.sunk() == (50_000, 0)


# ---- several on one port ----

def test_two_server_keys_and_three_mechanisms_share_a_port(bench):
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    bench.script(AUTH, endpoint=endpoint, key=PEOPLE[0][0], secret=SERVERS[0][1], secret2=SERVERS[1][1], null="yes")
    for options, expected in (
            (as_client("CURVE"), [b"the one with the key", b"CURVE", b"", b"", b"tcp", PEOPLE[0][0].encode()]),
            (as_client("CURVE", server=1), [b"the one with the key", b"CURVE"]),
            (as_client("PLAIN"), [b"ada", b"PLAIN", b"engines"]),
            ({}, [b"", b"NULL"])):
        b = bench.zmq("REQ", **octets(options))
        b.connect(endpoint)
        b.send(b"who am I?")
        got = b.recv_multipart()
        assert got[:len(expected)] == expected, got
    late = bench.zmq("REQ", **octets(as_client("CURVE", server=2)))
    late.rcvtimeo = 300
    late.connect(endpoint)
    late.send(b"?")
    try:
        raise Failed(f"a key that is not the server's: {late.recv_multipart()}")
    except zmq.Again:
        pass


# ---- key files ----

def certificate(path, key, name):
    """As czmq writes them."""
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'#   ****  a comment  ****\nmetadata\n    name = "{name}"\ncurve\n    public-key = "{key}"\n')


def test_key_files_and_a_directory_of_clients(bench):
    allow, key = bench.path("clients"), bench.path("server.key")
    os.mkdir(allow)
    certificate(os.path.join(allow, "one"), PEOPLE[0][0], "alice")
    with open(key, "w", encoding="utf-8") as f:
        f.write(f'curve\n    secret-key = "{SERVERS[0][1]}"\n    secret-key = "{SERVERS[1][1]}"\n')
    p = bench.peer()
    a = p.socket("PULL", curve_server=1, curve_keyfile=key, curve_allow=allow)
    assert "others may read this secret key" in p.text()
    endpoint = a.bind("tcp://127.0.0.1:*")
    for server in (0, 1):
        zmq_client(bench, "PUSH", "CURVE", server=server).connect(endpoint)
    until(lambda: a.stats()["peers"] == 2, 5, "the clients of both keys")
    assert all(peer.endswith("/alice") for peer in a.peers()), a.peers()
    stranger = zmq_client(bench, "PUSH", "CURVE", person=1)
    stranger.connect(endpoint)
    until(lambda: "handshake_failed_auth" in a.events(), 5, "the refusal")
    with open(os.path.join(allow, "list"), "w", encoding="utf-8") as f:
        f.write(f"# more\n{PEOPLE[1][0]} bob\n")
    p.ask(f"opt {a.name} curve_allow {allow}")  # as a reload does
    late = zmq_client(bench, "PUSH", "CURVE", person=1)
    late.connect(endpoint)
    until(lambda: any(peer.endswith("/bob") for peer in a.peers()), 5, "the second one")
    for option, value, text in (("curve_allow", "/nowhere", "No such file"), ("curve_keyfile", allow + "/list", "no secret-key"),
                                ("curve_keyfile", __file__, "line 2 is no key"), ("curve_secretkey", "short", "32 to")):
        try:
            p.ask(f"opt {a.name} {option} {value}")
            raise Failed(f"{option} {value} was taken")
        except Failed as e:
            assert text in str(e), e


INSIDE = """
local sb = require "signalbox"
local cfg = ...
local front = sb.rep { bind = cfg.endpoint, curve_server = true, curve_keyfile = cfg.key, curve_allow = cfg.allow }
front:on_message(function(_, peer) return peer.user_id end)
"""


def test_key_files_work_inside_nginx(bench):
    script, allow, key = bench.path("inside.lua"), bench.path("clients"), bench.path("server.key")
    os.mkdir(allow)
    certificate(os.path.join(allow, "one"), PEOPLE[0][0], "alice")
    with open(key, "w", encoding="utf-8") as f:
        f.write(f'secret-key = "{SERVERS[0][1]}"\n')
    with open(script, "w", encoding="utf-8") as f:
        f.write(INSIDE)
    os.chmod(os.path.dirname(key), 0o755)
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    server = InNginx(script, bench.backend, endpoint=endpoint, key=key, allow=allow)
    bench.scripts.append(server)
    good, bad = zmq_client(bench, "REQ", "CURVE"), zmq_client(bench, "REQ", "CURVE", person=1)
    bad.rcvtimeo = 300
    for s in (good, bad):
        s.connect(endpoint)
        s.send(b"who am I?")
    assert good.recv() == b"alice"
    try:
        raise Failed(f"a stranger: {bad.recv()}")
    except zmq.Again:
        pass


# ---- sb.authenticate ----

def test_a_script_decides_and_is_told(bench):
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    s = bench.script(AUTH, endpoint=endpoint, mode="slow", key=PEOPLE[0][0], secret=SERVERS[0][1])
    good = zmq_client(bench, "DEALER", "CURVE")
    good.setsockopt(zmq.IDENTITY, b"me")
    good.connect(endpoint)
    good.send_multipart([b"", b"?"])
    assert good.recv_multipart()[1] == b"the one with the key"
    assert "asked\tCURVE\ttest\t127.0.0.1\tfront\tDEALER\tme" in s.text().replace(" ", "\t"), s.text()
    zmq_client(bench, "REQ", "PLAIN", password="wrong").connect(endpoint)
    until(lambda: "handshake_failed_auth auth refused with 400: bad password" in s.text(), 5, "the event")
    bad = zmq_client(bench, "REQ", "CURVE", person=1)
    monitor = monitored(bad)
    bad.connect(endpoint)
    assert hears(monitor, zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    bad.disable_monitor()


def test_a_script_that_fails_or_is_silent_lets_nobody_in(bench):
    for mode, text in (("broken", "refused with 500: the script failed"), ("never", "refused with 300: no answer in time")):
        endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
        s = bench.script(AUTH, endpoint=endpoint, mode=mode, key=PEOPLE[0][0], secret=SERVERS[0][1])
        b = zmq_client(bench, "REQ", "CURVE")
        b.connect(endpoint)
        b.rcvtimeo = 1000
        b.send(b"?")
        until(lambda: text in s.text(), 10, text)
        try:
            raise Failed(f"let in: {b.recv_multipart()}")
        except zmq.Again:
            pass


# ---- ZAP handlers ----

def test_zap_handlers_are_asked_with_the_frames_of_the_rfc(bench):
    for kind in ("rep", "router"):
        for mechanism in ("PLAIN", "CURVE"):
            endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
            args = dict(secret=SERVERS[0][1]) if mechanism == "CURVE" else {}
            s = bench.script(ZAP, endpoint=endpoint, kind=kind, **args)
            b = zmq_client(bench, "REQ", mechanism)
            b.connect(endpoint)
            b.send(b"?")
            assert b.recv_multipart() == [b"somebody", b"engines"]
            last = "8 6" if mechanism == "PLAIN" else "7 32"
            asked = f"zap 1.0 test 127.0.0.1 {mechanism} {last}"
            assert asked in " ".join(s.text().split()), s.text()


def test_bad_zap_answers_let_nobody_in(bench):
    for answer, text in (("400", "refused with 400: said so"), ("500", "refused with 500"), ("300", "refused with 300"),
                         ("299", "malformed answer"), ("garbage", "malformed answer"), ("none", "no answer in time")):
        endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
        s = bench.script(ZAP, endpoint=endpoint, kind="router", answer=answer)
        b = zmq_client(bench, "REQ", "PLAIN")
        b.connect(endpoint)
        until(lambda: text in s.text(), 10, text)


# ---- hostile peers ----

def test_peers_that_say_nothing_leave_at_the_deadline(bench):
    """Trickled octets do not extend it; a good client beside them is served."""
    a = bench.peer().socket("PULL", handshake_ivl=700 * SLOW, **as_server("CURVE"))
    endpoint = a.bind("tcp://127.0.0.1:*")
    began = time.monotonic()
    raws = [Raw.connect(endpoint) for _ in range(3)]
    octets_of = greeting(mechanism=b"CURVE")
    good = zmq_client(bench, "PUSH", "CURVE")
    good.connect(endpoint)
    sent = 0
    while time.monotonic() - began < 0.5 * SLOW:
        raws[1].send(octets_of[sent:sent + 1])
        sent += 1
        time.sleep(0.05)
    raws[2].send(octets_of)
    good.send(b"x")
    assert a.recv() == [b"x"]
    for raw in raws:
        try:
            while raw.sock.recv(1000):
                pass
        except ConnectionResetError:
            pass
    assert 0.6 * SLOW < time.monotonic() - began < 3 * SLOW
    until(lambda: a.stats()["handshake_failures"] == 3, 5, "three counted")


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
