"""Ports for those who cannot let the kernel choose: free, and nobody else's who asks here, in this or any other process.

A port is only taken when its user binds it, which is later: until then another test could be given the same one. So every
port given out is marked by an abstract Unix socket of its name, which the kernel forgets with the process. Like ports,
such names belong to a network namespace.
"""
import random
import socket

FIRST, LAST = 10_000, 32_000  # below those the kernel gives to connecting sockets: none of them comes in between
marks = []


def mark(port):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.bind(f"\0signalbox-port-{port}")
    except OSError:
        s.close()
        return False
    marks.append(s)
    return True


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_port():
    while True:
        port = random.randrange(FIRST, LAST)
        if mark(port) and is_free(port):
            return port


def free_ports(n):
    return [free_port() for _ in range(n)]
