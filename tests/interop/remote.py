"""The test's side of remote.lua: Lua text in, values out."""
import json
import os

from peer import HERE, Failed


class Remote:
    def __init__(self, bench):
        at = f"tcp://127.0.0.1:{bench.free_port()}"
        self.script = bench.script(os.path.join(HERE, "remote.lua"), control=at)
        self.control = bench.zmq("REQ")
        self.control.connect(at)

    def __call__(self, text):
        """Runs the text; its first value, or a list of several."""
        self.control.send_string(text)
        ok, *values = json.loads(self.control.recv())
        if not ok:
            raise Failed(f"{text}\n{values[0]}")
        return values[0] if len(values) == 1 else values or None
