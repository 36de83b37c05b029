"""Faults before anybody is let in (S5): HELLO again and again, HELLO and then nothing, as many HELLOs as the machine makes."""
import signal
import socket
import struct
import sys
import threading
import time

import zmq

from common import MIB, SANITIZED, closed_within, main, patience, size, until
from storm import Storm, connected, weather
from target import Good, Target, command, greeting

PUBLIC, SECRET = zmq.curve_keypair()
HELLO_PLAIN = command(b"HELLO", b"\3ada\6secret")


def guarded(test, **values):
    def run(backend):
        target = Target(backend, script="guarded.lua", secret=SECRET.decode(), **values)
        try:
            test(target)
        finally:
            target.close()
    return run


def curve_client():
    public, secret = zmq.curve_keypair()
    return dict(curve_serverkey=PUBLIC, curve_publickey=public, curve_secretkey=secret)


def hello_of_libzmq():
    """The HELLO that a client of the target's key sends: good for as many connections as one likes."""
    context = zmq.Context()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = context.socket(zmq.DEALER)
        client.linger = 0
        for option, value in curve_client().items():
            setattr(client, option, value)
        client.connect("tcp://127.0.0.1:%d" % listener.getsockname()[1])
        peer = listener.accept()[0]
        peer.sendall(greeting(mechanism=b"CURVE")[:32] + b"\1" + b"\0" * 31)
        octets = b""
        while len(octets) < 64 + 202:
            octets += peer.recv(4096)
        peer.close()
    context.destroy(linger=0)
    return octets[64:64 + 202]


HELLO_CURVE = hello_of_libzmq()
DOORS = {"plain": (b"PLAIN", HELLO_PLAIN), "curve": (b"CURVE", HELLO_CURVE)}


def knock(host, port, door):
    mechanism, hello = DOORS[door]
    sock = socket.create_connection((host, port), 10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT: ports are few
    sock.sendall(greeting(mechanism=mechanism) + hello)
    return sock


def place(target, door):
    host, port = target.endpoint(door).removeprefix("tcp://").rsplit(":", 1)
    return host, int(port)


class Flood:
    """As many HELLOs as this side can make, each on a connection of its own, until it is stopped."""

    def __init__(self, target, door, threads=2):
        self.place, self.door, self.stopped, self.said, self.heard = place(target, door), door, False, 0, 0
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]
        self.begin = time.monotonic()
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.stopped:
            try:
                with knock(*self.place, self.door) as sock:
                    self.said += 1
                    heard = len(self.answer(sock)) > 64
                    self.heard += heard  # not in one: the sum would be read before the wait, and the other thread's lost
            except OSError:
                continue

    @staticmethod
    def answer(sock):
        octets = b""
        while len(octets) <= 64 and (more := sock.recv(4096)):
            octets += more
        return octets

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join(10)
        self.took = time.monotonic() - self.begin


def beside(target, door, seconds):
    """A flood at one door, a good client at the other and one that was let in at the same; (flood, cpu share, clients)."""
    inside = dict(curve_client()) if door == "curve" else dict(plain_username=b"ada", plain_password=b"secret")
    clients = [Good(target), Good(target, door, **inside)]
    for good in clients:
        good.ping(20)
        good.took.clear()
    used, flood = target.cpu(), Flood(target, door)
    while time.monotonic() - flood.begin < seconds:
        for good in clients:
            good.ping()
        time.sleep(0.002)
    flood.stop()
    return flood, (target.cpu() - used) / flood.took, clients


def test_a_second_hello_ends_the_connection(backend):
    """It has no place after the first, whatever it says."""
    def run(target):
        for door, (mechanism, hello) in DOORS.items():
            peer = target.raw(door)
            peer.send(greeting(mechanism=mechanism) + hello * 3)
            took = closed_within(peer, 5)
            assert took < 2, took  # not only at the deadline of 3 s
            target.eventually("nobody is left", lambda s, d=door: s[d]["peers"] == 0)
        print(f"  closed after {took * 1000:.0f} ms")
    guarded(run)(backend)


def test_peers_that_say_hello_and_no_more_leave_at_the_deadline(backend):
    """Many of them: a bounded piece of memory each, gone after handshake_ivl; beyond max_handshakes the oldest go first."""
    def run(target):
        good = Good(target)
        good.ping(5)
        for door in DOORS:
            where, before, fds = place(target, door), target.rss(), target.descriptors()
            socks = [knock(*where, door) for _ in range(size(700, 5000))]
            good.ping(5)
            grown = target.rss() - before
            many = len(socks) - 500 - 1
            held = target.eventually("the oldest went", lambda s, d=door: s[d]["handshake_failures"]["refused"] >= many)[door]
            for sock in socks:
                sock.close()
            target.eventually("all gone", lambda s: target.descriptors() <= fds + 2)
            assert grown < 500 * 8 * 1024 + 8 * MIB or SANITIZED, f"{grown / MIB:.1f} MiB"
            print(f"  {len(socks)} at {door}: +{grown / MIB:.1f} MiB, {held['handshake_failures']['refused']} ended for newer ones")
    guarded(run)(backend)


def test_accept_rate_bounds_what_a_flood_of_hellos_costs(backend):
    """With accept_rate = 100 most of the flood ends before it costs a multiplication; who is inside does not notice."""
    def run(target):
        for door in DOORS:
            time.sleep(1.1)  # a second's worth may come at once
            flood, share, clients = beside(target, door, size(2, 20))
            worst = max(good.worst() for good in clients)
            assert flood.heard <= 100 * (flood.took + 2), (flood.heard, flood.took)
            assert worst < 0.25 * patience(), worst
            print(f"  {door}: {flood.said / flood.took:.0f} HELLO/s, {flood.heard / flood.took:.0f}/s answered, {share:.0%} of a core, "
                  f"good clients at most {worst * 1000:.0f} ms")
    guarded(run, rate="100")(backend)


def test_without_accept_rate_a_flood_of_hellos_takes_turns_with_the_others(backend):
    """Each costs what its boxes cost; nobody who is inside waits for more than a turn of the loop."""
    def run(target):
        for door in DOORS:
            flood, share, clients = beside(target, door, size(2, 20))
            worst, cost = max(good.worst() for good in clients), share * flood.took / max(flood.heard, 1)
            assert flood.heard > 100, flood.heard
            assert cost < 0.002 * patience(), cost
            assert worst < 0.25 * patience(), worst
            print(f"  {door}: {flood.said / flood.took:.0f} HELLO/s, {cost * 1e6:.0f} us each, {share:.0%} of a core, "
                  f"good clients at most {worst * 1000:.0f} ms")
    guarded(run)(backend)


def knock_all_at_once(target, count):
    """Connections that all greet first and say HELLO in one go: the longest wait of one who is inside, and who was delayed."""
    good, (host, port) = Good(target), place(target, "curve")
    good.ping(20)
    good.took.clear()
    fds = target.descriptors()
    socks = [socket.create_connection((host, port), 10) for _ in range(count)]
    for sock in socks:
        sock.sendall(greeting(mechanism=b"CURVE") + HELLO_CURVE)
    for _ in range(100):
        good.ping()
    for sock in socks:
        sock.settimeout(10)
        assert len(Flood.answer(sock)) > 64  # all are answered
        sock.close()
    state = target.eventually("all gone", lambda s: target.descriptors() <= fds + 2)
    return good.worst(), state["curve"]["handshakes_delayed"]


def test_many_who_knock_at_once_do_not_hold_up_who_is_inside(backend):
    """A few handshakes a turn are made, the others wait for theirs; without the limit one turn makes all that are there."""
    for per_turn in (8, 0):
        def run(target, per_turn=per_turn):
            worst, delayed = knock_all_at_once(target, 400)
            print(f"  handshakes_per_turn = {per_turn}: {delayed} of 400 waited, the good client at most {worst * 1000:.0f} ms")
            assert worst < 0.25 * patience() or per_turn == 0, worst
            assert (delayed > 0) == (per_turn > 0), delayed
        guarded(run, per_turn=str(per_turn), ivl="60")(backend)  # the deadline is not the matter here


def test_a_storm_of_honest_clients_is_let_in(backend):
    """They come while the server is stopped, so that all knock at once: each is let in and answered, behind few addresses or one."""
    clients, seconds = size(60, 3000), 240
    for addresses in (1, 3):
        def run(target, addresses=addresses):
            good, endpoint = Good(target, "curve", **curve_client()), target.endpoint("curve")
            good.sock.rcvtimeo = seconds * 1000
            good.ping(5)
            storm = Storm(endpoint, PUBLIC, clients, addresses, processes=2)
            try:
                before = connected(endpoint)
                target.process.send_signal(signal.SIGSTOP)
                storm.go()
                until(lambda: connected(endpoint) >= before + clients, seconds, "connections")
                target.process.send_signal(signal.SIGCONT)
                took = weather(good, storm, seconds)
                state = target.state()["curve"]
                assert state["peers"] == clients + 1 and state["handshakes_delayed"] > clients / 2, state
                print(f"  {clients} of {addresses} addresses: all in after {took:.1f} s, {len(good.took) - 5} echoes of the good client meanwhile")
            finally:
                target.process.send_signal(signal.SIGCONT)
                storm.close()
        guarded(run, per_turn="1", ivl="0", max="4096")(backend)


if __name__ == "__main__":
    sys.exit(main(globals()))
