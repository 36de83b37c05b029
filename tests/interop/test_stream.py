#!/usr/bin/python3
"""STREAM against plain sockets and against libzmq's STREAM."""
import socket
import sys

from peer import SLOW, until
from runner import main, tests_of
from test_matrix import equal


def plain(endpoint):
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout=5 * SLOW)
    return s


def read_all(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(1 << 20)
        assert more, f"the end after {len(data)} octets of {count}"
        data += more
    return data


def gather(stream, count):
    """Octets of the next messages until there are so many: (id, octets)."""
    data, ident = b"", None
    while len(data) < count:
        ident, more = stream.recv()
        data += more
    return ident, data


def test_a_plain_client(bench):
    ours = bench.peer().socket("STREAM")
    s = plain(ours.bind("tcp://127.0.0.1:*"))
    ident, first = ours.recv()
    assert first == b"" and len(ident) == 5 and ident[0] == 0, (ident, first)
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    equal(list(gather(ours, 18)), [ident, b"GET / HTTP/1.0\r\n\r\n"], "request")
    ours.send(ident, b"HTTP/1.0 200 OK\r\n\r\nhello")
    ours.send(ident, b"")
    equal([read_all(s, 24)], [b"HTTP/1.0 200 OK\r\n\r\nhello"], "answer")
    assert s.recv(1) == b"", "ended by us"
    s.close()
    until(lambda: ours.stats()["peers"] == 0, 5, "the connection went")


def test_a_plain_client_ends_it(bench):
    ours = bench.peer().socket("STREAM")
    s = plain(ours.bind("tcp://127.0.0.1:*"))
    ident, _ = ours.recv()
    s.sendall(b"bye")
    equal(ours.recv(), [ident, b"bye"], "last octets")
    s.close()
    equal(ours.recv(), [ident, b""], "the end")


def test_notices_can_be_off(bench):
    ours = bench.peer().socket("STREAM", stream_notify=0)
    s = plain(ours.bind("tcp://127.0.0.1:*"))
    s.sendall(b"first")
    equal([ours.recv()[1]], [b"first"], "no notice before it")
    s.close()


def test_a_plain_server(bench):
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(5 * SLOW)
    ours = bench.peer().socket("STREAM", connect_routing_id="web")
    ours.connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    conn, _ = server.accept()
    conn.settimeout(5 * SLOW)
    equal(ours.recv(), [b"web", b""], "connected")
    ours.send(b"web", b"question")
    equal([read_all(conn, 8)], [b"question"], "what we asked")
    conn.sendall(b"answer")
    equal(ours.recv(), [b"web", b"answer"], "what it said")
    conn.close()
    equal(ours.recv(), [b"web", b""], "its end")
    conn, _ = server.accept()  # connected again, under the same name
    equal(ours.recv(), [b"web", b""], "connected again")
    conn.close()
    server.close()


def test_much_both_ways(bench):
    """4 MiB through the small buffers of a peer that reads late."""
    ours = bench.peer().socket("STREAM")
    s = plain(ours.bind("tcp://127.0.0.1:*"))
    ident, _ = ours.recv()
    block = bytes(range(256)) * 256
    for _ in range(64):
        ours.send(ident, block)
    assert read_all(s, 64 * len(block)) == 64 * block
    s.sendall(block * 4)
    assert gather(ours, 4 * len(block)) == (ident, block * 4)
    s.close()


def test_two_clients_are_told_apart(bench):
    ours = bench.peer().socket("STREAM", stream_notify=0)
    endpoint = ours.bind("tcp://127.0.0.1:*")
    clients = [plain(endpoint) for _ in range(2)]
    for i, s in enumerate(clients):
        s.sendall(b"%d" % i)
    for _ in clients:
        ident, body = ours.recv()
        ours.send(ident, b"to " + body)
    for i, s in enumerate(clients):
        equal([read_all(s, 4)], [b"to %d" % i], "its own answer")
        s.close()


def test_a_router_that_is_one_behaves_as_libzmqs(bench):
    ours = bench.peer().socket("ROUTER", router_raw=1)
    theirs = bench.zmq("ROUTER", router_raw=1)
    theirs.bind("tcp://127.0.0.1:*")
    for sock, endpoint in ((ours, ours.bind("tcp://127.0.0.1:*")), (theirs, theirs.last_endpoint.decode())):
        recv, send = ((sock.recv, lambda *f: sock.send(*f)) if sock is ours
                      else (sock.recv_multipart, lambda *f: sock.send_multipart(f)))
        s = plain(endpoint)
        ident, first = recv()
        assert first == b"" and len(ident) == 5, "it came"
        s.sendall(b"ask")
        equal(recv(), [ident, b"ask"], "octets as they are")
        send(ident, b"told")
        equal([read_all(s, 4)], [b"told"], "back")
        send(b"nobody", b"x")
        s.close()
        equal(recv(), [ident, b""], "it went")


def test_libzmq_connects(bench):
    ours = bench.peer().socket("STREAM")
    theirs = bench.zmq("STREAM")
    theirs.connect(ours.bind("tcp://127.0.0.1:*"))
    there, empty = theirs.recv_multipart()
    here, also_empty = ours.recv()
    assert empty == also_empty == b""
    theirs.send_multipart([there, b"to you"])
    equal(ours.recv(), [here, b"to you"], "from theirs")
    ours.send(here, b"and back")
    equal(theirs.recv_multipart(), [there, b"and back"], "from ours")
    theirs.send_multipart([there, b""])
    # libzmq ends it once its application has called again.
    until(lambda: theirs.poll(0) is not None and ours.stats()["peers"] == 0, 5, "ended by them")
    equal(ours.recv(), [here, b""], "ended by them")


def test_libzmq_binds(bench):
    ours = bench.peer().socket("STREAM", connect_routing_id="them")
    theirs = bench.zmq("STREAM")
    theirs.bind("tcp://127.0.0.1:*")
    ours.connect(theirs.last_endpoint.decode())
    there, empty = theirs.recv_multipart()
    equal(ours.recv(), [b"them", b""], "connected")
    assert empty == b""
    ours.send(b"them", b"to you")
    equal(theirs.recv_multipart(), [there, b"to you"], "from ours")
    theirs.send_multipart([there, b"and back"])
    equal(ours.recv(), [b"them", b"and back"], "from theirs")
    ours.send(b"them", b"")
    equal(theirs.recv_multipart(), [there, b""], "ended by us")


def test_over_ipc(bench):
    ours = bench.peer().socket("STREAM", stream_notify=0)
    path = bench.path("raw")
    ours.bind("ipc://" + path)
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(b"hello")
    ident, body = ours.recv()
    equal([body], [b"hello"], "over a path")
    ours.send(ident, b"back")
    equal([read_all(s, 4)], [b"back"], "back")
    s.close()


def test_a_script_speaks_http(bench):
    endpoint = f"tcp://127.0.0.1:{bench.free_port()}"
    bench.script("examples/http.lua", web=endpoint)
    s = plain(endpoint)
    s.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
    data = b""
    while more := s.recv(4096):
        data += more
    assert data.startswith(b"HTTP/1.0 200 OK\r\n") and data.endswith(b"you asked for /hello\n"), data
    s.close()


if __name__ == "__main__":
    main(tests_of(sys.modules[__name__]))
