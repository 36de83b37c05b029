"""Floods and drains with libzmq in processes of their own.

    flood.py push ENDPOINT COUNT SENDER PREFIXES   messages [prefix][sender][sequence], prefixes in turn; leaves when sent
    flood.py pull ENDPOINT COUNT EVERY MS          takes COUNT; every EVERY messages it rests; says what it saw
    flood.py parts ENDPOINT                        three-part messages for ever, to be killed
"""
import struct
import sys
import time

import zmq


def push(context, endpoint, count, sender, prefixes):
    s = context.socket(zmq.PUSH)
    s.connect(endpoint)
    pack, send = struct.Struct(">cBQ").pack, s.send
    kinds = [p.encode() for p in prefixes]
    for i in range(int(count)):
        send(pack(kinds[i % len(kinds)], int(sender), i))
    s.close(-1)


def pull(context, endpoint, count, every, ms):
    s = context.socket(zmq.PULL)
    s.rcvhwm = 100
    s.rcvtimeo = 60000
    s.connect(endpoint)
    last, disorder, taken = {}, 0, 0
    every, count, unpack = int(every), int(count), struct.Struct(">cBQ").unpack
    try:
        while taken < count:
            _, sender, i = unpack(s.recv())
            disorder += i <= last.get(sender, -1)
            last[sender] = i
            taken += 1
            if every and taken % every == 0:
                time.sleep(int(ms) / 1000)
        s.rcvtimeo = 300
        s.recv()
        taken += 1  # one too many
    except zmq.Again:
        pass
    print(taken, disorder, flush=True)
    s.close(0)


def parts(context, endpoint):
    s = context.socket(zmq.PUSH)
    s.connect(endpoint)
    i = 0
    while True:
        n = str(i).encode()
        s.send_multipart([n, n * 1000, n])
        i += 1


if __name__ == "__main__":
    made = zmq.Context()
    {"push": push, "pull": pull, "parts": parts}[sys.argv[1]](made, *sys.argv[2:])
    made.term()
