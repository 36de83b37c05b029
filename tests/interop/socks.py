"""A small SOCKS5 proxy for tests, on a thread: with or without a password, it notes where it was asked to connect."""
import select
import socket
import struct
import threading


class Socks:
    def __init__(self, username=None, password=None):
        self.login = (username, password) if username else None
        self.asked = []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.door.getsockname()[1]
        self.open = [self.door]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            self.open.append(client)
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    @staticmethod
    def take(s, n):
        data = b""
        while len(data) < n:
            more = s.recv(n - len(data))
            if not more:
                raise OSError("gone")
            data += more
        return data

    def greet(self, s):
        methods = self.take(s, self.take(s, 2)[1])
        wanted = 2 if self.login else 0
        if wanted not in methods:
            s.sendall(b"\5\xff")
            return False
        s.sendall(bytes((5, wanted)))
        if not self.login:
            return True
        name = self.take(s, self.take(s, 2)[1]).decode()
        password = self.take(s, self.take(s, 1)[0]).decode()
        well = (name, password) == self.login
        s.sendall(b"\1\0" if well else b"\1\1")
        return well

    def target(self, s):
        kind = self.take(s, 4)[3]
        if kind == 3:
            host = self.take(s, self.take(s, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, self.take(s, size))
        return host, struct.unpack(">H", self.take(s, 2))[0]

    def talk(self, client):
        try:
            if not self.greet(client):
                client.close()
                return
            where = self.target(client)
            self.asked.append(where)
            far = socket.create_connection(("127.0.0.1", where[1]), timeout=10)
            self.open.append(far)
            client.sendall(b"\5\0\0\1\0\0\0\0\0\0")
            self.pump(client, far)
        except (OSError, ValueError):  # an end closed, perhaps by close()
            client.close()

    @staticmethod
    def pump(a, b):
        other = {a: b, b: a}
        while True:
            for s in select.select([a, b], [], [])[0]:
                data = s.recv(65536)
                if not data:
                    a.close()
                    b.close()
                    return
                other[s].sendall(data)

    def close(self):
        for s in self.open:
            s.close()
