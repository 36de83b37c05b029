#!/usr/bin/python3
"""PLAIN and CURVE against czmq: its zauth lets our clients in or not, its certificates are ours and ours are its."""
import os
import re
import subprocess
import sys
import threading

from peer import BUILD, Failed, Process, SLOW, until
from runner import main, tests_of

PROGRAM = os.path.join(BUILD, "tests", "czmq_peer")


def run(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=30 * SLOW)
    if done.returncode != 0:
        raise Failed(f"{words}: {done.stderr}")
    return done.stdout.strip()


def keygen(path, name):
    """Both keys of a new pair of ours."""
    run(os.path.join(BUILD, "signalbox"), "keygen", "--out", path, "--name", name)
    with open(path, encoding="utf-8") as f:
        return re.findall(r'-key = "(.{40})"', f.read())


class Server(Process):
    def __init__(self, *words):
        super().__init__([PROGRAM, "server", *words], "czmq", stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(10 * SLOW, self.p.kill)
        timer.start()
        self.endpoint = f"tcp://127.0.0.1:{self.p.stdout.readline().strip()}"
        timer.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.reap()


def asks(bench, endpoint, **options):
    a = bench.peer().socket("REQ", **options)
    a.connect(endpoint)
    a.send(b"who am I?")
    return a


def test_zauth_decides_about_our_plain_clients(bench):
    passwords = bench.path("passwords")
    with open(passwords, "w", encoding="utf-8") as f:
        f.write("ada=secret\n")
    with Server("plain", passwords) as server:
        good = asks(bench, server.endpoint, plain_username="ada", plain_password="secret")
        assert good.recv() == [b"ada"]
        bad = asks(bench, server.endpoint, plain_username="ada", plain_password="wrong")
        until(lambda: "handshake_failed_auth" in bad.events(), 5, "the refusal")


def test_zauth_decides_about_our_curve_clients(bench):
    clients, cert, key = bench.path("clients"), bench.path("server"), bench.path("mine")
    os.mkdir(clients)
    server_key = run(PROGRAM, "certificate", cert, "server")
    public, _ = keygen(key, "me")
    os.rename(key + ".pub", os.path.join(clients, "me"))  # czmq reads what keygen wrote
    keygen(bench.path("other"), "other")
    with Server("curve", cert + "_secret", clients) as server:
        good = asks(bench, server.endpoint, curve_keyfile=key, curve_serverkey=server_key)
        assert good.recv() == [public.encode()]
        bad = asks(bench, server.endpoint, curve_keyfile=bench.path("other"), curve_serverkey=server_key)
        until(lambda: "handshake_failed_auth" in bad.events(), 5, "the refusal")


def test_our_server_reads_czmq_s_certificates(bench):
    allow = bench.path("allow")
    os.mkdir(allow)
    run(PROGRAM, "certificate", os.path.join(allow, "alice"), "alice")  # also leaves alice_secret there
    server_public, _ = keygen(bench.path("server"), "server")
    a = bench.peer().socket("REP", curve_server=1, curve_keyfile=bench.path("server"), curve_allow=allow)
    endpoint = a.bind("tcp://127.0.0.1:*")
    answers = []
    client = threading.Thread(
        target=lambda: answers.append(run(PROGRAM, "client", allow + "/alice_secret", server_public, endpoint)))
    client.start()
    assert a.recv() == [b"who am I?"]
    a.send(a.peers()[0].rsplit("/", 1)[1].encode())
    client.join()
    assert answers == ["alice"], answers


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        print("no czmq here")
        sys.exit(77)
    main(tests_of(sys.modules[__name__]))
