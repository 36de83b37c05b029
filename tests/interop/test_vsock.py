#!/usr/bin/python3
"""All types over vsock://, with ourselves: nobody else speaks it here. Skipped where the kernel has no loopback for it."""
import socket
import sys

from runner import main, tests_of
from test_cells import ours_with_ours


def is_here():
    if not hasattr(socket, "AF_VSOCK"):
        return False
    try:
        with socket.socket(socket.AF_VSOCK) as s, socket.socket(socket.AF_VSOCK) as c:
            s.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
            s.listen()
            c.settimeout(2)
            c.connect((1, s.getsockname()[1]))  # 1: this machine
            return True
    except OSError:
        return False


def test_all_types(bench):
    ours_with_ours(bench, "vsock://1:*")


if __name__ == "__main__":
    if not is_here():
        print("no vsock here")
        sys.exit(77)
    main(tests_of(sys.modules[__name__]))
