"""A WebSocket client small enough to do wrong what a test wants done wrong."""
import base64
import os
import socket
import struct

import harness


class WebSocket:
    def __init__(self, port, path, headers=(), key=None, version="13", early=b"", tls=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=harness.PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        key = key or base64.b64encode(os.urandom(16)).decode()
        lines = ["GET %s HTTP/1.1" % path, "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Key: " + key, "Sec-WebSocket-Version: " + version, *headers, "", ""]
        self.sock.sendall("\r\n".join(lines).encode() + early)
        self.rest = b""
        head = self.until(b"\r\n\r\n").decode()
        self.status = int(head.split(" ")[1])
        self.headers = dict((a.lower(), b) for a, b in (line.split(": ", 1) for line in head.split("\r\n")[1:] if line))

    def until(self, mark):
        while mark not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.rest += more
        head, self.rest = self.rest.split(mark, 1)
        return head

    def exactly(self, n):
        while len(self.rest) < n:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.rest += more
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    @staticmethod
    def frame(opcode, data, fin=True, mask=b"abcd", rsv=0):
        head = bytes([(0x80 if fin else 0) | rsv | opcode])
        masked = 0x80 if mask else 0
        if len(data) < 126:
            head += bytes([masked | len(data)])
        elif len(data) < 65536:
            head += bytes([masked | 126]) + struct.pack(">H", len(data))
        else:
            head += bytes([masked | 127]) + struct.pack(">Q", len(data))
        if mask:
            data = bytes(c ^ mask[i & 3] for i, c in enumerate(data))
        return head + mask + data

    def send(self, data, opcode=1, **options):
        self.sock.sendall(self.frame(opcode, data, **options))

    def recv_frame(self):
        """(opcode, payload)"""
        head = self.exactly(2)
        n = head[1] & 127
        assert head[1] < 128 and head[0] & 0x70 == 0, "a server neither masks nor uses reserved bits"
        if n == 126:
            n = struct.unpack(">H", self.exactly(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.exactly(8))[0]
        return head[0] & 15, self.exactly(n)

    def recv(self):
        """The next message; pings are answered."""
        while True:
            opcode, data = self.recv_frame()
            if opcode == 9:
                self.send(data, 10)
            elif opcode == 8:
                raise EOFError(struct.unpack(">H", data[:2])[0] if data else 1005)
            elif opcode in (1, 2):
                return data

    def close_code(self):
        """What the server closes with."""
        try:
            while True:
                self.recv()
        except EOFError as e:
            return e.args[0] if e.args else None

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
