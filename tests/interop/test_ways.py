#!/usr/bin/python3
"""Ways to a peer that are not a plain connect: a SOCKS5 proxy, several addresses, source addresses; libzmq is behind them."""
import sys

from peer import until
from runner import main, tests_of
from socks import Socks


def behind(bench, proxy, host="127.0.0.1", **options):
    """A PUSH of ours that reaches a PULL of libzmq through the proxy."""
    theirs = bench.zmq("PULL")
    port = theirs.bind_to_random_port("tcp://127.0.0.1")
    ours = bench.peer().socket("PUSH", socks_proxy=proxy.address, **options)
    ours.connect(f"tcp://{host}:{port}")
    return ours, theirs, port


def test_through_a_proxy(bench):
    proxy = Socks()
    try:
        ours, theirs, port = behind(bench, proxy)
        for frames in ([b"one"], [b"a", b"", b"c"], [bytes(300_000)], [b"last"]):
            ours.send(*frames)
            assert theirs.recv_multipart() == frames
        assert proxy.asked == [("127.0.0.1", port)]
    finally:
        proxy.close()


def test_the_proxy_looks_names_up_and_asks_for_a_password(bench):
    proxy = Socks("me", "secret")
    try:
        ours, theirs, port = behind(bench, proxy, "no-such-host.invalid", socks_username="me", socks_password="secret")
        ours.send(b"hello")
        assert theirs.recv() == b"hello"
        assert proxy.asked == [("no-such-host.invalid", port)]
    finally:
        proxy.close()


def test_a_wrong_password_is_told_and_tried_again(bench):
    proxy = Socks("me", "secret")
    try:
        ours, _, _ = behind(bench, proxy, socks_username="me", socks_password="wrong")
        seen = []
        until(lambda: seen.extend(ours.events()) or seen.count("handshake_failed_protocol") >= 2, 10, "two refusals")
        assert proxy.asked == []
    finally:
        proxy.close()


def test_where_from(bench):
    """tcp://SOURCE:PORT;HOST:PORT; seen from the other end. All of 127/8 is this machine."""
    theirs = bench.zmq("ROUTER")
    port = theirs.bind_to_random_port("tcp://127.0.0.1")
    ours = bench.peer().socket("DEALER")
    ours.connect(f"tcp://127.0.0.9:0;127.0.0.1:{port}")
    ours.send(b"x")
    frames = theirs.recv_multipart(copy=False)
    assert frames[-1].get("Peer-Address") == "127.0.0.9", frames[-1].get("Peer-Address")


def test_an_interface_is_an_address(bench):
    theirs = bench.zmq("PUSH")
    ours = bench.peer().socket("PULL")
    endpoint = ours.bind("tcp://lo:*")
    assert endpoint.startswith("tcp://127.0.0.1:"), endpoint
    theirs.connect(endpoint)
    theirs.send(b"x")
    assert ours.recv() == [b"x"]


def test_kernel_options_do_no_harm(bench):
    """Set at both ends of a real connection; best effort, so what the kernel refuses is passed over."""
    options = dict(tos=16, priority=3, busy_poll=50, tcp_keepalive=1, tcp_keepalive_cnt=3, tcp_keepalive_idle=30,
                   tcp_keepalive_intvl=5, tcp_maxrt=30000, sndbuf=65536, rcvbuf=65536, connect_timeout=5000)
    sink = bench.peer().socket("PULL", **options)
    source = bench.peer().socket("PUSH", **options)
    source.connect(sink.bind("tcp://127.0.0.1:*"))
    source.send(b"x")
    assert sink.recv() == [b"x"]


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
