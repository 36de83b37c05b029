#!/usr/bin/python3
"""Which types are exchanged with whom, over what: the lists that the tests walk, and the page docs/interop.md that is made
of them (`python3 tests/interop/cells.py > docs/interop.md`)."""

# (ours, theirs)
CORE = [
    ("PAIR", "PAIR"), ("PUSH", "PULL"), ("PULL", "PUSH"),
    ("PUB", "SUB"), ("PUB", "XSUB"), ("XPUB", "SUB"), ("XPUB", "XSUB"),
    ("SUB", "PUB"), ("SUB", "XPUB"), ("XSUB", "PUB"), ("XSUB", "XPUB"),
    ("REQ", "REP"), ("REQ", "ROUTER"), ("REP", "REQ"), ("REP", "DEALER"),
    ("DEALER", "REP"), ("DEALER", "DEALER"), ("DEALER", "ROUTER"),
    ("ROUTER", "REQ"), ("ROUTER", "DEALER"), ("ROUTER", "ROUTER"),
]
DRAFTS = [("RADIO", "DISH"), ("DISH", "RADIO"), ("SERVER", "CLIENT"), ("CLIENT", "SERVER"), ("GATHER", "SCATTER"),
          ("SCATTER", "GATHER"), ("CHANNEL", "CHANNEL")]
# Over WebSockets each of ours meets the one that fits.
WS = {"PUSH": "PULL", "PULL": "PUSH", "PUB": "SUB", "SUB": "PUB", "REQ": "REP", "REP": "REQ", "DEALER": "ROUTER",
      "ROUTER": "DEALER", "PAIR": "PAIR"}
# What a page can be: ours is the other.
PAGE = [("PULL", "PUSH"), ("PUSH", "PULL"), ("ROUTER", "REQ"), ("REP", "REQ"), ("ROUTER", "DEALER"), ("REP", "DEALER"),
        ("DEALER", "REP"), ("DEALER", "ROUTER"), ("XPUB", "SUB"), ("PUB", "SUB"), ("XPUB", "XSUB"), ("SUB", "PUB"),
        ("SUB", "XPUB"), ("PAIR", "PAIR")]
DATAGRAMS = [("RADIO", "DISH"), ("DISH", "RADIO"), ("DGRAM", "DGRAM")]
STREAMS = [("STREAM", "STREAM")]

LIBZMQ, DRAFT, JAVA = "libzmq 4.3.4 (Debian)", "libzmq 4.3.5 with drafts (npm zeromq)", "JeroMQ (Debian)"
NODE, CHROMIUM, US = "jszmq in Node.js", "jszmq in headless Chromium", "Signalbox"
BOTH, WE_BIND, WE_CONNECT = "either", "we", "they"

# peer, over, who binds, pairs, test
CELLS = [
    (LIBZMQ, "tcp", BOTH, CORE, "interop.matrix"),
    (LIBZMQ, "ipc", BOTH, CORE, "interop.cells"),
    (LIBZMQ, "tcp through SOCKS5", WE_CONNECT, CORE, "interop.cells"),
    (LIBZMQ, "a listening descriptor (`use_fd`)", WE_BIND, CORE, "interop.cells"),
    (LIBZMQ, "a connected descriptor (`use_fd`)", WE_CONNECT, CORE, "interop.cells"),
    (LIBZMQ, "tcp, ipc without ZMTP", BOTH, STREAMS, "interop.stream"),
    (DRAFT, "tcp", BOTH, DRAFTS + [("PEER", "PEER")], "interop.drafts"),
    (DRAFT, "ipc", BOTH, DRAFTS, "interop.cells"),
    (DRAFT, "udp, unicast and multicast", BOTH, DATAGRAMS, "interop.udp"),
    (DRAFT, "ws", BOTH, list(WS.items()), "interop.websocket"),
    (JAVA, "tcp", BOTH, CORE, "interop.jeromq"),
    (NODE, "ws", BOTH, list(WS.items()), "interop.websocket"),
    (NODE, "wss", WE_BIND, list(WS.items()), "interop.pages"),
    (CHROMIUM, "ws", WE_BIND, PAGE, "interop.pages"),
    (CHROMIUM, "wss", WE_BIND, PAGE, "interop.pages"),
    (US, "tcp", WE_BIND, CORE[:-1], "interop.matrix"),
    (US, "ipc", WE_BIND, CORE[:-1], "interop.cells"),
    (US, "inproc", WE_BIND, CORE[:-1], "interop.cells"),
    (US, "ws", WE_BIND, CORE[:-1], "interop.cells"),
    (US, "wss", WE_BIND, CORE[:-1], "interop.cells"),
    (US, "vsock", WE_BIND, CORE[:-1], "interop.vsock"),
]

# What cannot be tried, and why.
WITHOUT = [
    (LIBZMQ, "ws, wss, udp, the draft types", "Debian builds it without drafts"),
    (DRAFT, "wss", "the package is built without GnuTLS"),
    (DRAFT, "inproc", "needs one process"),
    (JAVA, "ipc", "its ipc is tcp under another name"),
    (NODE, "binding wss", "the package serves http only"),
    (CHROMIUM, "binding", "pages cannot"),
    ("all", "vsock", "no one but us speaks it here; libzmq has it after 4.3.5"),
]


def types(pairs):
    """"PUB: SUB XSUB" of (PUB, SUB), (PUB, XSUB)."""
    met = {}
    for ours, theirs in pairs:
        met.setdefault(ours, []).append(theirs)
    return "; ".join(f"{ours}: {' '.join(theirs)}" for ours, theirs in met.items())


def page():
    yield "# Who has met whom\n"
    yield "Every pair of types that may talk, over every transport, with engines that others wrote; each on io_uring and on libuv, with"
    yield "messages of one frame, of many, empty ones, and of the sizes where framing changes. `tests/interop/cells.py` prints this page out of"
    yield "the lists that the tests walk. npm packages have fixed versions and are installed into the build folder.\n"
    yield "| peer | over | binds | our type: theirs | test |\n|---|---|---|---|---|"
    for peer, over, binds, pairs, test in CELLS:
        yield f"| {peer} | {over} | {binds} | {types(pairs)} | `{test}` |"
    yield "\n## What could not meet\n\n| peer | over | why |\n|---|---|---|"
    for row in WITHOUT:
        yield "| " + " | ".join(row) + " |"


if __name__ == "__main__":
    print("\n".join(page()))
