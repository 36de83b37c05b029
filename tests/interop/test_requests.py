#!/usr/bin/python3
"""REQ with req_resend and req_deadline against servers of libzmq that die or say nothing."""
import sys

import zmq

from peer import until
from remote import Remote
from runner import main, tests_of


def server(bench, kind="REP"):
    s = bench.zmq(kind)
    s.bind("tcp://127.0.0.1:*")
    return s, s.getsockopt_string(zmq.LAST_ENDPOINT)


def test_a_silent_server_is_passed_over(bench):
    remote = Remote(bench)
    (silent, at1), (good, at2) = server(bench), server(bench)
    remote(f"req = sb.req {{ connect = {{ '{at1}', '{at2}' }}, req_resend = 0.1, linger = 0 }} "
           "sb.spawn(function() rep = req:request({ 'job', '', 'x' }, 10) end)")
    assert silent.recv_multipart() == [b"job", b"", b"x"]
    assert good.recv_multipart() == [b"job", b"", b"x"]
    good.send(b"done")
    until(lambda: remote("return rep and rep[1]") == "done", 5, "the answer")
    silent.send(b"too late")
    until(lambda: remote("return req:stats().dropped.filtered") == 1, 5, "it is discarded")


def test_a_router_may_answer_late(bench):
    remote = Remote(bench)
    (a, at1), (b, at2) = server(bench, "ROUTER"), server(bench, "ROUTER")
    remote(f"req = sb.req {{ connect = {{ '{at1}', '{at2}' }}, req_resend = 0.1, linger = 0 }} "
           "sb.spawn(function() rep = req:request('job', 10) end)")
    request = a.recv_multipart()
    b.recv_multipart()
    a.send_multipart(request[:-1] + [b"first"])
    until(lambda: remote("return rep and rep[1]") == "first", 5, "the answer")


def test_a_server_that_dies_and_comes_back(bench):
    remote = Remote(bench)
    first, at = server(bench)
    remote(f"req = sb.req {{ connect = '{at}', req_resend = 60, reconnect_ivl = 0.05, linger = 0 }} "
           "sb.spawn(function() rep = req:request('job', 20) end)")
    assert first.recv() == b"job"
    first.close(0)
    second = bench.zmq("REP")

    def bound():
        try:
            return second.bind(at) or True
        except zmq.ZMQError:
            return False
    until(bound, 5, "the port is free")
    assert second.recv() == b"job"
    second.send(b"done")
    until(lambda: remote("return rep and rep[1]") == "done", 5, "the answer")


def test_a_deadline(bench):
    remote = Remote(bench)
    rep, at = server(bench)
    remote(f"req = sb.req {{ connect = '{at}', req_deadline = 0.1, req_relaxed = false, req_correlate = true, linger = 0 }} "
           "req:on_peer(function(event, peer, info) if event == 'request_expired' then over = peer.address end end) "
           "req:send 'a'")
    assert rep.recv() == b"a"
    until(lambda: remote("return req:stats().dropped.expired") == 1, 5, "it is over")
    until(lambda: remote("return over") == at, 5, "the peer that did not answer is named")
    rep.send(b"late")
    remote("req:send 'b'")
    assert rep.recv() == b"b"
    rep.send(b"in time")
    assert remote("return req:recv(5)[1]") == "in time"


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
