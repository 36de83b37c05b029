"""`worker all`: one socket over every worker, on both backends, with two workers and with four."""
import collections
import time

import zmq

import harness

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


class Workers(harness.NginxTest):
    def serve(self, backend, workers, **options):
        self.port = {name: harness.free_port() for name in PORTS}
        args = " ".join("%s=%d" % item for item in self.port.items())
        server = self.nginx("backend %s; worker all; linger 10s; script a.lua %s;" % (backend, args), {"a.lua": SCRIPT},
                            workers=workers, **options)
        server.launch()
        for _ in range(workers):
            server.wait_ready()
        return server

    def each(self, *workers):
        for backend in harness.backends():
            for n in workers:
                with self.subTest(backend=backend, workers=n):
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


if __name__ == "__main__":
    harness.main()
