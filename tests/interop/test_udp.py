#!/usr/bin/python3
"""udp:// against libzmq's RADIO, DISH and DGRAM, and against plain UDP sockets. Datagrams may be lost, also on this machine:
what is sent is sent again until it is heard."""
import socket
import sys

from peer import Again, SLOW, until
from runner import main, tests_of
from test_matrix import equal

BODIES = [b"hello", b"", b"x" * 255, b"y" * 256, bytes(range(256)) * 31]


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def heard(send, recv, want, what):
    """Sends until it is there; what came late of an earlier try is passed over."""
    def there():
        send()
        for _ in range(3):
            try:
                if recv() == want:
                    return True
            except (Again, TimeoutError):
                return False
    until(there, 10, what)


def bodies(endpoint):
    """multicast_maxtpdu stops the long one."""
    return BODIES[:-1] if "239." in endpoint else BODIES


def ours_to_theirs(bench, endpoint):
    dish = bench.node().socket("DISH", rcvtimeo=200)
    dish.join(b"news")
    dish.bind(endpoint)
    radio = bench.peer().socket("RADIO")
    radio.connect(endpoint)

    def recv():
        got = dish.receive()
        return [bytes.fromhex(got["group"])] + [bytes.fromhex(f) for f in got["frames"]]
    for body in bodies(endpoint):
        radio.send(b"other", body)
        heard(lambda: radio.send(b"news", body), recv, [b"news", body], f"{len(body)} octets")


def theirs_to_ours(bench, endpoint):
    dish = bench.peer().socket("DISH")
    dish.join(b"news")
    dish.bind(endpoint)
    radio = bench.node().socket("RADIO")
    radio.connect(endpoint)

    def send():
        radio.send(body, group="other")
        radio.send(body, group="news")
    for body in bodies(endpoint):
        heard(send, lambda: dish.recv(200), [b"news", body], f"{len(body)} octets")


def test_radio_to_their_dish(bench):
    ours_to_theirs(bench, f"udp://127.0.0.1:{free_udp_port()}")


def test_their_radio_to_our_dish(bench):
    theirs_to_ours(bench, f"udp://127.0.0.1:{free_udp_port()}")


def test_multicast_to_their_dish(bench):
    ours_to_theirs(bench, f"udp://127.0.0.1;239.255.8.1:{free_udp_port()}")


def test_their_multicast_to_our_dish(bench):
    theirs_to_ours(bench, f"udp://127.0.0.1;239.255.8.2:{free_udp_port()}")


def plain():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.settimeout(0.2 * SLOW)
    return s


def name_of(sock):
    return b"%s:%d" % (sock.getsockname()[0].encode(), sock.getsockname()[1])


def test_dgram_and_plain_sockets(bench):
    ours = bench.peer().socket("DGRAM")
    port = int(ours.bind("udp://127.0.0.1:*").rpartition(":")[2])
    with plain() as s:
        for body in BODIES:
            heard(lambda: s.sendto(body, ("127.0.0.1", port)), lambda: ours.recv(200), [name_of(s), body], "theirs")
            heard(lambda: ours.send(name_of(s), body), lambda: s.recv(1 << 16), body, "ours")


def test_dgram_and_their_dgram(bench):
    ours = bench.peer().socket("DGRAM")
    theirs = bench.node().socket("DGRAM", rcvtimeo=200)
    at = f"127.0.0.1:{free_udp_port()}"
    theirs.bind("udp://" + at)
    ours_at = ours.bind("udp://127.0.0.1:*").removeprefix("udp://").encode()
    for body in BODIES:
        heard(lambda: ours.send(at.encode(), body), theirs.recv, [ours_at + b"\0", body], "ours")
        heard(lambda: theirs.send(ours_at, body), lambda: ours.recv(200), [at.encode(), body], "theirs")


def test_a_name_is_looked_up(bench):
    """Not "localhost", which is known without."""
    dish = bench.peer().socket("DISH")
    dish.join(b"g")
    at = dish.bind("udp://127.0.0.1:*")
    radio = bench.peer().socket("RADIO")
    radio.connect(at.replace("127.0.0.1", "LOCALHOST"))
    heard(lambda: radio.send(b"g", b"by name"), lambda: dish.recv(200), [b"g", b"by name"], "by name")


def test_malformed_datagrams_are_counted(bench):
    dish = bench.peer().socket("DISH")
    dish.join(b"g")
    port = int(dish.bind("udp://127.0.0.1:*").rpartition(":")[2])
    with plain() as s:
        def send():
            for bad in (b"", b"\xff", b"\5g", b"\0"):
                s.sendto(bad, ("127.0.0.1", port))
            s.sendto(b"\1ggood", ("127.0.0.1", port))
        heard(send, lambda: dish.recv(200), [b"g", b"good"], "the good one")
    assert dish.stats()["dropped_filtered"] >= 4


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
