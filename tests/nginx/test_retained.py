"""Last values that outlive the worker: kept in the zone by the script, published again by the next one (docs/nginx.md)."""
import os
import re
import signal

import zmq

import harness

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "nginx.md")) as f:
    SCRIPT = re.search(r"## Last values.*?```lua\n(.*?)```", f.read(), re.S).group(1)


class Retained(harness.NginxTest):
    def last(self, port):
        """What somebody who subscribes now gets at once."""
        sub = self.connect(zmq.SUB, port, rcvtimeo=10000)
        sub.subscribe(b"")
        got = dict([sub.recv_multipart() for _ in range(2)])
        sub.close()
        return got

    def test_last_values_outlive_reload_and_crash(self):
        for backend in harness.backends():
            with self.subTest(backend=backend):
                into, out = harness.free_port(), harness.free_port()
                script = SCRIPT.replace("tcp://*:5601", "tcp://127.0.0.1:%d" % into).replace("tcp://*:5602", "tcp://127.0.0.1:%d" % out)
                server = self.nginx("backend %s; zone numbers 1m; script a.lua;" % backend, {"a.lua": script}).start()
                push = self.connect(zmq.PUSH, into)
                for price in (b"1", b"2", b"3"):
                    push.send_multipart([b"gold", price])
                    push.send_multipart([b"silver", price])
                expect = {b"gold": b"3", b"silver": b"3"}
                harness.wait_for(lambda: self.last(out) == expect, "the values")
                for end in ("reload", "crash"):
                    if end == "reload":
                        server.wait_gone(server.reload()[0])
                    else:
                        os.kill(server.owner(), signal.SIGKILL)
                        server.wait_ready()
                    harness.wait_for(lambda: self.last(out) == expect, "the values after a " + end)
                server.quit()


if __name__ == "__main__":
    harness.main()
