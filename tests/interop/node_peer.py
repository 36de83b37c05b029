"""The test's side of node/peer.js: a libzmq with the draft types, out of the npm package zeromq."""
import json
import os
import subprocess

from peer import Again, Failed, HERE, Process, TOP

MODULES = os.path.join(TOP, "node", "node_modules")


class NodePeer(Process):
    def __init__(self):
        env = dict(os.environ, SB_NODE_MODULES=os.path.abspath(MODULES))
        super().__init__(["node", os.path.join(HERE, "node", "peer.js")], "node", stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=env)
        json.loads(self.read(20))

    def ask(self, *words, seconds=20):
        self.say(json.dumps(words))
        answer = json.loads(self.read(seconds))
        if "error" in answer:
            raise (Again if answer["error"] == "EAGAIN" else Failed)(f"{words}: {answer['error']}")
        return answer.get("value")

    def socket(self, kind, name=None, **options):
        return NodeSocket(self, kind, name or kind.lower(), options)

    def quit(self):
        if self.p.poll() is None:
            self.p.stdin.close()
        self.p.stdin = None
        code = self.stop(None)
        if code != 0:
            raise Failed(f"node ended with {code}\n{self.text()}")


class NodeSocket:
    def __init__(self, peer, kind, name, options):
        self.peer, self.name = peer, name
        peer.ask("open", name, kind, {k: v.hex() if isinstance(v, bytes) else v for k, v in options.items()})

    def bind(self, endpoint):
        return self.peer.ask("bind", self.name, endpoint)

    def connect(self, endpoint):
        self.peer.ask("connect", self.name, endpoint)

    def send(self, *frames, **meta):
        """meta: group="text", routingId=number"""
        self.peer.ask("send", self.name, [f.hex() for f in frames], *([meta] if meta else []))

    def recv(self):
        return [bytes.fromhex(f) for f in self.receive()["frames"]]

    def receive(self):
        """With what is beside the frames: "routing_id", "group"."""
        return self.peer.ask("recv", self.name)

    def poke(self):
        """Calls it, so that it looks up from its work. True: always."""
        self.peer.ask("poke", self.name)
        return True

    def join(self, group):
        self.peer.ask("join", self.name, group.hex())

    def leave(self, group):
        self.peer.ask("leave", self.name, group.hex())

    def close(self):
        self.peer.ask("close", self.name)
