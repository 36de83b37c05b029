"""The test's side of java/Peer.java: JeroMQ, an engine that no line of libzmq or of ours is in."""
import os
import subprocess

from peer import Failed, Process, TOP

CLASSES = os.path.join(TOP, "java")
JAR = "/usr/share/java/jeromq.jar"


def word(frame):
    return frame.hex() or "-"


class JavaPeer(Process):
    def __init__(self):
        super().__init__(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", CLASSES + ":" + JAR, "Peer"], "java",
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.opened = 0
        self.answer(60)

    def answer(self, seconds=30):
        text = self.read(seconds)
        ok, _, rest = text.partition(" ")
        if ok != "ok":
            raise Failed(text)
        return rest

    def ask(self, *words):
        self.say(" ".join(words))
        return self.answer()

    def socket(self, kind, identity=b""):
        return JavaSocket(self, kind, identity)

    def quit(self):
        if self.p.poll() is None:
            self.p.stdin.close()
        self.p.stdin = None
        code = self.stop(None)
        if code != 0:
            raise Failed(f"java ended with {code}\n{self.text()}")


class JavaSocket:
    def __init__(self, peer, kind, identity):
        peer.opened += 1
        self.peer, self.name = peer, f"{kind.lower()}{peer.opened}"
        peer.ask("open", self.name, kind, word(identity))

    def bind(self):
        return "tcp://127.0.0.1:" + self.peer.ask("bind", self.name, "tcp://127.0.0.1")

    def connect(self, endpoint):
        self.peer.ask("connect", self.name, endpoint)

    def send(self, *frames):
        self.peer.ask("send", self.name, *(word(f) for f in frames))

    def recv(self):
        return [bytes.fromhex(w.replace("-", "")) for w in self.peer.ask("recv", self.name).split(" ")]

    def poke(self):
        """Calls it, so that it looks up from its work. True: always."""
        self.peer.ask("poke", self.name)
        return True

    def subscribe(self, topic):
        self.peer.ask("subscribe", self.name, word(topic))
