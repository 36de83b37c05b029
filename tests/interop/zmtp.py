"""A peer made of a plain socket: says ZMTP by hand, so that a test can look at the wire and cut it where it likes."""
import socket
import struct

MORE, LONG, COMMAND = 1, 2, 4


def greeting(minor=1, mechanism=b"NULL"):
    return b"\xff" + b"\0" * 7 + b"\1\x7f" + bytes([3, minor]) + mechanism.ljust(20, b"\0") + b"\0" * 32


def frame(body, flags=0):
    if len(body) > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def message(*frames):
    return b"".join(frame(f, MORE) for f in frames[:-1]) + frame(frames[-1])


def command(name, data=b""):
    return frame(bytes([len(name)]) + name + data, COMMAND)


def prop(name, value):
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def ready(kind, identity=None):
    data = prop(b"Socket-Type", kind.encode())
    if identity is not None:
        data += prop(b"Identity", identity)
    return command(b"READY", data)


class Raw:
    """A connection; `sock` is connected already."""

    def __init__(self, sock, timeout=10):
        self.sock = sock
        sock.settimeout(timeout)

    @classmethod
    def connect(cls, endpoint):
        host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
        return cls(socket.create_connection((host, int(port)), 10))

    def send(self, data):
        self.sock.sendall(data)

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError(f"closed after {data!r}")
            data += more
        return data

    def frame(self):
        """(flags, body) of the next frame."""
        flags, length = self.read(2)
        if flags & LONG:
            length = struct.unpack(">Q", bytes([length]) + self.read(7))[0]
        return flags & ~LONG, self.read(length)

    def message(self):
        frames = []
        while True:
            flags, body = self.frame()
            if flags & COMMAND:
                continue
            frames.append(body)
            if not flags & MORE:
                return frames

    def shake(self, kind, minor=1, identity=None):
        """The handshake; returns the other side's READY."""
        self.send(greeting(minor))
        self.theirs = self.read(64)
        self.send(ready(kind, identity))
        flags, body = self.frame()
        assert flags == COMMAND, (flags, body)
        return body

    def closed(self):
        """True once the other side has closed."""
        try:
            while self.sock.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()


class Listener:
    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(10)
        self.endpoint = "tcp://127.0.0.1:%d" % self.sock.getsockname()[1]

    def accept(self):
        return Raw(self.sock.accept()[0])

    def close(self):
        self.sock.close()
