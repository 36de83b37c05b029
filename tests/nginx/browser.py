"""A headless Chromium that tests drive through its debugging port: screens of any size, keys, dark mode, what a screen
reader is told, pictures."""
import base64
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

import harness
import websocket

CHROMIUM = shutil.which("chromium")
KEYS = {"Tab": 9, "Enter": 13, " ": 32}


class Browser:
    def __init__(self):
        self.home = tempfile.TemporaryDirectory(prefix="sbb", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0",
             "--user-data-dir=" + self.home.name, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = int(harness.wait_for(self.read_port, "Chromium's port", 60))
        target = harness.wait_for(lambda: self.page_of(port), "a page", 60)
        self.socket = websocket.WebSocket(port, "/devtools/page/" + target)
        self.id = 0
        self.events = []
        for domain in ("Page", "Runtime", "Network", "Accessibility"):
            self.call(domain + ".enable")

    def read_port(self):
        try:
            with open(os.path.join(self.home.name, "DevToolsActivePort")) as f:
                return f.readline().strip()
        except FileNotFoundError:
            return None

    @staticmethod
    def page_of(port):
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.PATIENCE)
        connection.request("GET", "/json")
        pages = [p for p in json.loads(connection.getresponse().read()) if p["type"] == "page"]
        connection.close()
        return pages[0]["id"] if pages else None

    def close(self):
        """Once or more."""
        self.process.kill()
        self.process.wait()
        self.socket.sock.close()
        self.home.cleanup()

    def call(self, method, **params):
        self.id += 1
        self.socket.send(json.dumps({"id": self.id, "method": method, "params": params}).encode())
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.id:
                assert "error" not in answer, "%s: %s" % (method, answer)
                return answer["result"]
            self.events.append(answer)

    # ---- pages ----

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, script):
        """The value of a JavaScript expression; promises are waited for."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script, what):
        return harness.wait_for(lambda: self.run(script), what)

    def screen(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def press(self, key):
        text = {"Enter": "\r", " ": " "}.get(key, "")
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=KEYS[key], text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=KEYS[key])

    def type(self, text):
        self.call("Input.insertText", text=text)

    def told(self):
        """What a screen reader is told: (role, name) of everything that is not ignored."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]

    def errors(self):
        return [e for e in self.events if e["method"] == "Runtime.exceptionThrown"]

    def asked(self):
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def picture(self, path=None):
        """The screen as (width, height, rows of RGB octets); kept as a PNG where a path is given."""
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if path:
            with open(path, "wb") as f:
                f.write(png)
        return read_png(png)


def read_png(png):
    """8 bits, RGB or RGBA, not interlaced: what Chromium makes."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert depth == 8 and kind in (2, 6)
    at, data = 8, b""
    while at < len(png):
        n, name = struct.unpack(">I4s", png[at:at + 8])
        data += png[at + 8:at + 8 + n] if name == b"IDAT" else b""
        at += 12 + n
    return width, height, unfilter(zlib.decompress(data), width, height, 3 if kind == 2 else 4)


def unfilter(raw, width, height, size):
    stride, rows, before = width * size, [], bytearray(width * size)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride) if kind else ():
            a = line[i - size] if i >= size else 0
            b, c = before[i], before[i - size] if i >= size else 0
            if kind == 1:
                guess = a
            elif kind == 2:
                guess = b
            elif kind == 3:
                guess = (a + b) // 2
            else:
                p = a + b - c
                guess = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[i] = (line[i] + guess) & 255
        rows.append(line)
        before = line
    return [bytes(v for i, v in enumerate(row) if i % size < 3) for row in rows] if size == 4 else [bytes(r) for r in rows]
