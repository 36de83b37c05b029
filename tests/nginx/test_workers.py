"""`worker all`: one socket over every worker, on both backends, with two workers and with four."""
import collections
import http.client
import os
import random
import re
import signal
import threading
import time

import zmq

import harness
import load

RELOADS = int(os.environ.get("SB_RELOADS", "5"))

SCRIPT = """
local sb = require "signalbox"
local cfg = ...
local function at(port) return "tcp://127.0.0.1:" .. port end
local feed = sb.pub { name = "feed", bind = at(cfg.feed) }
local news = sb.pull { name = "news", bind = at(cfg.news) }
news:pipe(feed)
local jobs = sb.pull { name = "jobs", bind = at(cfg.jobs) }
local work = sb.push { name = "work", bind = at(cfg.work) }
jobs:pipe(work, function(msg) msg:insert(1, tostring(sb.worker)) return msg end)
local front = sb.router { name = "front", bind = at(cfg.front) }
local back = sb.dealer { name = "back", bind = at(cfg.back) }
front:route { { to = back } }
back:route { { to = front } }
local who = sb.rep { name = "who", bind = at(cfg.who) }
who:on_message(function() return tostring(sb.worker) .. "/" .. sb.workers end)
"""
PORTS = ("feed", "news", "jobs", "work", "front", "back", "who")


def start(test, backend, workers, script=SCRIPT, ports=PORTS, **options):
    port = {name: harness.free_port() for name in ports}
    args = " ".join("%s=%d" % item for item in port.items())
    server = test.nginx("backend %s; worker all; linger 10s; script a.lua %s;" % (backend, args), {"a.lua": script},
                        workers=workers, **options)
    server.launch()
    for _ in range(workers):
        server.wait_ready()
    return server, port


class Workers(harness.NginxTest):
    def serve(self, backend, workers):
        server, self.port = start(self, backend, workers)
        return server

    def each(self, *workers):
        for backend in harness.backends():
            for n in workers:
                yield self.serve(backend, n), n

    def spread(self, kind, name, workers, **options):
        """So many that each worker has one: all but one time in thousands."""
        return [self.connect(kind, self.port[name], **options) for _ in range(8 * workers)]

    def test_connections_spread_over_all_workers(self):
        for server, n in self.each(2, 4):
            seen = collections.Counter()
            for _ in range(24 * n):
                sock = self.connect(zmq.REQ, self.port["who"])
                sock.send(b"")
                seen[sock.recv()] += 1
                sock.close()
            self.assertEqual(sorted(seen), [b"%d/%d" % (i, n) for i in range(n)])
            server.quit()

    def test_a_subscriber_on_any_worker_gets_what_comes_through_any_other(self):
        for server, n in self.each(2, 4):
            subs = self.spread(zmq.SUB, "feed", n)
            for sub in subs:
                sub.subscribe(b"a")
            subs[0].subscribe(b"b")
            pushes = self.spread(zmq.PUSH, "news", n)[:4 * n]
            for push in pushes:  # from every worker to every subscriber
                self.wait_all(push, subs)
            for number, push in enumerate(pushes):
                for i in range(50):
                    push.send_multipart([b"a" if i % 2 else b"b", b"%d" % number, b"%d" % i])
            for k, sub in enumerate(subs):
                got = collections.Counter()
                last = {}
                for _ in range(len(pushes) * (50 if k == 0 else 25)):
                    topic, number, i = sub.recv_multipart()
                    got[number, i] += 1
                    self.assertGreater(int(i), last.get((number), -1), "order of one publisher")
                    last[number] = int(i)
                    self.assertEqual(topic, b"a" if int(i) % 2 else b"b")
                self.assertEqual(max(got.values()), 1)
                self.assertFalse(sub.poll(20))
            server.quit()

    def wait_all(self, push, subs):
        """Until what this one sends reaches all."""
        waiting = set(subs)
        def done():
            push.send_multipart([b"a", b"?"])
            time.sleep(0.01)
            for sub in list(waiting):
                if sub.poll(0):
                    waiting.discard(sub)
            return not waiting
        harness.wait_for(done, "every subscriber to hear")
        push.send_multipart([b"a", b"last"])
        for sub in subs:
            while sub.recv_multipart() != [b"a", b"last"]:
                pass

    def test_pushed_work_is_shared_by_the_peers_of_all_workers(self):
        for server, n in self.each(2, 4):
            pulls = self.spread(zmq.PULL, "work", n)
            pushes = self.spread(zmq.PUSH, "jobs", n)
            got, sent = [[] for _ in pulls], 0
            def share():
                nonlocal sent
                for push in pushes:
                    push.send(b"%d" % sent)
                    sent += 1
                for sock, mine in zip(pulls, got):
                    while sock.poll(0):
                        mine.append(sock.recv_multipart())
                return all(len(mine) >= 50 for mine in got)
            harness.wait_for(share, "work for everybody")
            def all_came():
                for sock, mine in zip(pulls, got):
                    while sock.poll(0):
                        mine.append(sock.recv_multipart())
                return sum(map(len, got)) >= sent
            harness.wait_for(all_came, "all work")
            every = [m[1] for mine in got for m in mine]
            self.assertEqual(len(every), len(set(every)))
            self.assertEqual({m[0] for mine in got for m in mine}, {b"%d" % i for i in range(n)})
            server.quit()

    def test_questions_of_any_client_reach_any_server_and_come_back(self):
        for server, n in self.each(2, 4):
            servers = self.spread(zmq.REP, "back", 1)
            clients = self.spread(zmq.REQ, "front", n)
            time.sleep(0.3)
            answered = collections.Counter()
            poller = zmq.Poller()
            for sock in servers + clients:
                poller.register(sock, zmq.POLLIN)
            left = {}
            for k, client in enumerate(clients):
                client.send(b"%d.0" % k)
                left[client] = [k, 0]
            end = time.monotonic() + 20
            while left and time.monotonic() < end:
                for sock, _ in poller.poll(1000):
                    text = sock.recv()
                    if sock in servers:
                        answered[sock] += 1
                        sock.send(text)
                        continue
                    k, i = left[sock]
                    self.assertEqual(text, b"%d.%d" % (k, i))
                    if i == 50:
                        del left[sock]
                        continue
                    left[sock][1] += 1
                    sock.send(b"%d.%d" % (k, i + 1))
            self.assertEqual(left, {})
            self.assertEqual(len(answered), len(servers))
            server.quit()


class TeamLoad(load.Load):
    """The flows that come to binds, over so many connections that every worker has some."""

    def __init__(self, test, port, clients):
        super().__init__(test, clients)
        self.port.update(bound_in=port["jobs"], bound_out=port["work"], front=port["front"], back=port["back"])
        self.sent, self.got = {"bound": 0}, {"bound": []}

    def reach(self, sock, name, times=8):
        for _ in range(times):
            sock.connect(self.address(name))
        return sock

    def start(self):
        sock = self.test.socket
        self.run(self.send, self.reach(sock(zmq.PUSH), "bound_in"))
        self.run(self.take, self.reach(sock(zmq.PULL), "bound_out"), "bound", None)
        for _ in range(4):
            self.run(self.serve)
        for n in range(len(self.asked)):
            self.askers.append(self.run(self.ask, n))
        return self

    def serve(self):
        sock = self.reach(self.test.socket(zmq.REP), "back", 2)
        while not self.ended.is_set():
            if sock.poll(20):
                request = sock.recv()
                with self.lock:
                    self.executed.append(request)
                sock.send(request)


class Life(load.LoadTest):
    def serve_all(self, backend, workers):
        server, port = start(self, backend, workers)
        flow = TeamLoad(self, port, 2 * workers).start()
        flow.flows()
        return server, flow

    def test_reloads_lose_nothing(self):
        for backend in harness.backends():
            for workers in (2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server, flow = self.serve_all(backend, workers)
                    for _ in range(RELOADS):
                        old, _ = server.reload()
                        for _ in range(workers - 1):
                            server.wait_ready()
                        server.wait_gone(old)
                        flow.flows()
                    flow.stop()
                    told, incomplete = load.drains(server.log())
                    missing = flow.missing()["bound"]
                    self.assertEqual(told, 0)
                    self.assertLessEqual(len(missing), incomplete)
                    flow.check_answers()
                    self.assertLessEqual(flow.again, 2 * RELOADS, "of %d questions" % sum(flow.asked))
                    server.quit()

    def test_a_crash_loses_only_what_was_inside(self):
        """Nothing that comes when the worker is there again is lost, and no client more than the question it had asked."""
        for backend in harness.backends():
            for workers in (2, 4):
                with self.subTest(backend=backend, workers=workers):
                    server, flow = self.serve_all(backend, workers)
                    crashes = []
                    for _ in range(4):
                        flow.flows()
                        begin = len(flow.got["bound"])
                        os.kill(random.choice(server.workers()), signal.SIGKILL)
                        server.wait_ready()
                        time.sleep(0.5)  # until everybody has noticed
                        crashes.append((begin, flow.sent["bound"]))
                    flow.flows()
                    flow.stop()
                    missing = flow.missing()["bound"]
                    outside = [n for n in missing if not any(begin - 20000 <= n < end for begin, end in crashes)]
                    self.assertEqual(outside, [])
                    self.assertLess(len(missing), flow.sent["bound"] // 2)
                    flow.check_answers()
                    self.assertLessEqual(flow.again, len(crashes) * len(flow.asked))
                    server.quit()

    def test_connects_are_one_per_worker_of_a_sub_one_in_all_and_do_not_double(self):
        script = """
local sb = require "signalbox"
local cfg = ...
sb.sub { name = "sub", connect = "tcp://127.0.0.1:" .. cfg.sub, subscribe = "" }
sb.pull { name = "pull", connect = "tcp://127.0.0.1:" .. cfg.pull }
"""
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, port = start(self, backend, 2, script, ("sub", "pull"))
                pub, push = self.socket(zmq.PUB), self.socket(zmq.PUSH)
                watches = [load.Watch(pub), load.Watch(push)]
                pub.bind("tcp://127.0.0.1:%d" % port["sub"])
                push.bind("tcp://127.0.0.1:%d" % port["pull"])
                def connected(times):
                    for watch in watches:
                        watch.look()
                    return [w.all for w in watches] == [times, 2 * times] and [w.now for w in watches] == [1, 2]
                for reloads in range(4):
                    harness.wait_for(lambda n=reloads + 1: connected(n), "every worker's connect")
                    old, _ = server.reload()
                    server.wait_ready()
                    server.wait_gone(old)
                harness.wait_for(lambda: connected(5), "the last ones")
                self.assertEqual([w.most for w in watches], [1, 2])
                server.quit()

    def test_what_is_there_when_nothing_is_under_way_survives_a_crash(self):
        """Subscriptions, routing ids and turns are told anew to a worker that comes back, by what is there already."""
        for backend in harness.backends():
            with self.subTest(backend=backend):
                server, port = start(self, backend, 2)
                subs = [self.connect(zmq.SUB, port["feed"]) for _ in range(12)]
                for sub in subs:
                    sub.subscribe(b"")
                pushes = [self.connect(zmq.PUSH, port["news"]) for _ in range(12)]
                for pid in server.workers():
                    os.kill(pid, signal.SIGKILL)
                    server.wait_ready()
                    for push in pushes:
                        self.reaches_all(push, subs)
                server.quit()

    def reaches_all(self, push, subs):
        waiting = set(subs)
        def done():
            push.send(b"x")
            time.sleep(0.005)
            for sub in subs:
                while sub.poll(0):
                    sub.recv()
                    waiting.discard(sub)
            return not waiting
        harness.wait_for(done, "every subscriber to hear")


HTTP = """
local sb = require "signalbox"
local cfg = ...
local function at(port) return "tcp://127.0.0.1:" .. port end
local feed = sb.pub { name = "feed", bind = at(cfg.feed), sndhwm = 4, rcvhwm = 4 }
local jobs = sb.push { name = "jobs", bind = at(cfg.jobs) }
local rpc = sb.dealer { name = "rpc", bind = at(cfg.rpc) }
local own = sb.router { name = "own", bind = at(cfg.own) }
own:on_message(function(msg) msg[#msg] = tostring(sb.worker) return msg end)
"""
LOCATIONS = """server { listen 127.0.0.1:%d reuseport;
  location /publish/ { signalbox_publish feed; }
  location /jobs { signalbox_publish jobs; }
  location /rpc { signalbox_request rpc frames=body; }
  location /own { signalbox_request own frames=body; }
  location /events/ { signalbox_subscribe feed retain=100; }
  location /metrics { signalbox_metrics; } }"""


class Http(harness.NginxTest):
    def serve(self, backend, workers):
        self.http = harness.free_port()
        server, self.port = start(self, backend, workers, HTTP, ("feed", "jobs", "rpc", "own"), http=LOCATIONS % self.http)
        return server

    def ask(self, method, path, body=None, **headers):
        """On a connection of its own: any worker may get it."""
        conn = http.client.HTTPConnection("127.0.0.1", self.http, timeout=harness.PATIENCE)
        conn.request(method, path, body, headers)
        answer = conn.getresponse()
        text = answer.read()
        conn.close()
        return answer.status, text

    def each(self):
        for backend in harness.backends():
            server = self.serve(backend, 3)
            yield server
            server.quit()

    def test_what_is_published_anywhere_reaches_subscribers_everywhere(self):
        for _ in self.each():
            sub = self.connect(zmq.SUB, self.port["feed"])
            sub.subscribe(b"a")
            def known():
                sent = [self.ask("POST", "/publish/a", "x")[0] for _ in range(12)]
                got = 0
                while sub.poll(100):
                    got += sub.recv_multipart() == [b"a", b"x"]
                return got == len(sent)
            harness.wait_for(known, "every worker to know the one subscriber")
            for i in range(24):
                self.assertEqual(self.ask("POST", "/publish/a", "%d" % i)[0], 202)
                self.assertEqual(sub.recv_multipart(), [b"a", b"%d" % i])

    def test_requests_find_the_one_server_from_every_worker_and_answers_find_back(self):
        for _ in self.each():
            self.assertEqual(self.ask("POST", "/rpc", "x")[0], 503)
            stop = threading.Event()
            server = self.connect(zmq.REP, self.port["rpc"])
            def serve():
                while not stop.is_set():
                    if server.poll(20):
                        server.send(b"re: " + server.recv())
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                harness.wait_for(lambda: all(self.ask("POST", "/rpc", "x")[0] == 200 for _ in range(12)), "all workers to know it")
                for i in range(24):
                    self.assertEqual(self.ask("POST", "/rpc", "%d" % i), (200, b"re: %d" % i))
            finally:
                stop.set()
                thread.join()
            self.assertEqual({self.ask("POST", "/own", "?")[1] for _ in range(60)}, {b"0", b"1", b"2"})

    def test_posted_work_is_shared_by_the_peers_of_all_workers(self):
        for _ in self.each():
            pulls = [self.connect(zmq.PULL, self.port["jobs"]) for _ in range(4)]
            harness.wait_for(lambda: self.ask("POST", "/jobs", "x")[0] == 202 and all(p.poll(0) for p in pulls), "work for all")

    def test_an_event_stream_of_any_worker_has_what_is_published_in_any(self):
        for _ in self.each():
            streams = []
            for _ in range(12):
                conn = http.client.HTTPConnection("127.0.0.1", self.http, timeout=harness.PATIENCE)
                conn.request("GET", "/events/a", headers={"Accept": "text/event-stream"})
                streams.append(conn.getresponse())
            for i in range(3):  # no more at once than sndhwm takes
                self.assertEqual(self.ask("POST", "/publish/a", "m%d" % i)[0], 202)
            for stream in streams:
                seen = set()
                while len(seen) < 3:
                    line = stream.readline()
                    self.assertNotEqual(line, b"", seen)
                    if line.startswith(b"data:"):
                        seen.add(line.strip()[6:])
                self.assertEqual(seen, {b"m%d" % i for i in range(3)})
                stream.close()

    def stream(self, **headers):
        conn = http.client.HTTPConnection("127.0.0.1", self.http, timeout=harness.PATIENCE)
        conn.request("GET", "/events/a", headers={"Accept": "text/event-stream", **headers})
        return conn.getresponse()

    def test_event_streams_end_with_worker_0_and_clients_find_the_next_one(self):
        """It numbers the messages of all. Publishing goes on meanwhile, and whoever comes back is served by the one that follows."""
        for server in self.each():
            streams = [self.stream() for _ in range(6)]
            self.assertEqual(self.ask("POST", "/publish/a", "before")[0], 202)
            for s in streams:
                while s.readline() != b"data: before\n":
                    pass
            os.kill(server.workers()[0], signal.SIGKILL)
            for s in streams:
                try:
                    self.assertEqual(s.read().strip(), b"")
                except (http.client.IncompleteRead, ConnectionError):
                    pass  # it was worker 0's own
            harness.wait_for(lambda: self.ask("POST", "/publish/a", "meanwhile")[0] == 202, "publishing to go on")
            again = []
            for _ in range(6):
                harness.wait_for(lambda: again.append(self.stream()) or again[-1].status == 200, "an event stream")
            again = [s for s in again if s.status == 200]
            self.assertEqual(self.ask("POST", "/publish/a", "after")[0], 202)
            for s in again:
                line = b" "
                while line and line != b"data: after\n":
                    line = s.readline()
                self.assertTrue(line, "the stream ended")

    def test_links_are_bounded_and_their_drops_are_counted(self):
        """A subscriber that does not read: what its worker cannot give it is dropped there, and told."""
        for _ in self.each():
            sub = self.connect(zmq.SUB, self.port["feed"], rcvhwm=1)
            sub.subscribe(b"a")
            body = "x" * 1000000
            def dropped():
                for _ in range(20):
                    self.ask("POST", "/publish/a", body)
                text = self.ask("GET", "/metrics")[1].decode()
                return re.search(r'signalbox_dropped_total\{socket="feed",reason="hwm"\} [1-9]', text)
            harness.wait_for(dropped, "drops that are counted")
            sub.close()


if __name__ == "__main__":
    harness.main()
