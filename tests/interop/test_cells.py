#!/usr/bin/python3
"""The types over the ways that no other test takes them: libzmq over ipc, through a proxy, over descriptors that exist
already; the draft types over ipc; ours with ours over everything."""
import os
import socket
import subprocess
import sys

import zmq

import certs
from cells import CORE, DRAFTS
from peer import BUILD, Failed, Peer, Process
from runner import main, tests_of
from socks import Socks
from test_drafts import PAIRS, join
from test_matrix import BODIES, Theirs, exchange, names, ours_subscribe, run_pair, talk

OWN = [p for p in CORE if p != ("ROUTER", "ROUTER")]


class Heir(Peer):
    """A peer that is born with a descriptor."""

    def __init__(self, backend, fd):
        Process.__init__(self, [os.path.join(BUILD, "tests", "interop_peer"), backend], "peer", stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, pass_fds=(fd,))
        self.backend = self.ask("backend")


def told(ours, theirs, fn):
    try:
        fn()
    except AssertionError as e:
        raise Failed(f"our {ours}, their {theirs}: {e}") from e


def end(bench, peer):
    """Not hundreds of processes at a time."""
    peer.quit()
    bench.peers.remove(peer)
    peer.reap()


def over_ipc(bench, we_bind):
    for i, (ours, theirs) in enumerate(CORE):
        endpoint = f"ipc://@signalbox-{os.getpid()}-{i}" if i % 2 else "ipc://" + bench.path(f"s{i}")
        told(ours, theirs, lambda: run_pair(bench, ours, theirs, endpoint, we_bind))
        end(bench, bench.peers[-1])


def test_libzmq_over_ipc_where_we_bind(bench):
    over_ipc(bench, True)


def test_libzmq_over_ipc_where_we_connect(bench):
    over_ipc(bench, False)


def test_libzmq_through_a_proxy(bench):
    proxy = Socks()
    try:
        for ours, theirs in CORE:
            mine, its = names(ours, theirs)
            b = Theirs(bench.zmq(theirs, **its))
            b.sock.bind("tcp://127.0.0.1:*")
            a = bench.peer().socket(ours, socks_proxy=proxy.address, **mine)
            a.connect(b.sock.getsockopt_string(zmq.LAST_ENDPOINT))
            told(ours, theirs, lambda: talk(ours, theirs, a, b))
            end(bench, a.peer)
        assert len(proxy.asked) == len(CORE)
    finally:
        proxy.close()


def test_libzmq_at_a_listening_descriptor(bench):
    for ours, theirs in CORE:
        mine, its = names(ours, theirs)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            peer = Heir(bench.backend, listening.fileno())
            bench.peers.append(peer)
            a = peer.socket(ours, use_fd=listening.fileno(), **mine)
            a.bind(f"tcp://127.0.0.1:{port}")
        b = Theirs(bench.zmq(theirs, **its))
        b.sock.connect(f"tcp://127.0.0.1:{port}")
        told(ours, theirs, lambda: talk(ours, theirs, a, b))
        end(bench, peer)


def test_libzmq_at_a_connected_descriptor(bench):
    for ours, theirs in CORE:
        mine, its = names(ours, theirs)
        b = Theirs(bench.zmq(theirs, **its))
        b.sock.bind("tcp://127.0.0.1:*")
        endpoint = b.sock.getsockopt_string(zmq.LAST_ENDPOINT)
        with socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2]))) as connected:
            peer = Heir(bench.backend, connected.fileno())
            bench.peers.append(peer)
            a = peer.socket(ours, use_fd=connected.fileno(), **mine)
            a.connect(endpoint)
        told(ours, theirs, lambda: talk(ours, theirs, a, b))
        end(bench, peer)


def test_drafts_over_ipc(bench):
    assert [p[:2] for p in PAIRS] == DRAFTS
    for i, (ours, theirs, talks) in enumerate(PAIRS * 2):
        a, b = join(bench, ours, theirs, i < len(PAIRS), "ipc://" + bench.path(f"d{i}"))
        told(ours, theirs, lambda: talks(a, b))
        end(bench, a.peer)
        end(bench, b.peer)


def ours_with_ours(bench, endpoint, one_process=False, server=None, client=None):
    for i, (ours, theirs) in enumerate(OWN):
        p = bench.peer()
        q = p if one_process else bench.peer()
        a, b = p.socket(ours, "a", **(server or {})), q.socket(theirs, "b", **(client or {}))
        where = a.bind(endpoint.format(i))
        b.connect(where.replace("127.0.0.1", "localhost") if client else where)
        ours_subscribe(a, b, ours, theirs)
        for body in BODIES:
            told(ours, theirs, lambda: exchange(ours, theirs, a, b, body))
        for peer in {p, q}:
            end(bench, peer)


def test_ours_over_ipc(bench):
    ours_with_ours(bench, "ipc://" + bench.path("o{}"))


def test_ours_over_inproc(bench):
    ours_with_ours(bench, "inproc://o{}", one_process=True)


def test_ours_over_ws(bench):
    ours_with_ours(bench, "ws://127.0.0.1:*/o{}")


def test_ours_over_wss(bench):
    certs.make(bench.directory.name)
    ours_with_ours(bench, "wss://127.0.0.1:*/o{}",
                   server={"wss_cert_file": bench.path("server.pem"), "wss_key_file": bench.path("server.key")},
                   client={"wss_trust_file": bench.path("ca.pem")})


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
