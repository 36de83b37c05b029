"""Pages of one headless Chromium with jszmq in them: starting it takes seconds, a page a moment."""
import json
import os
import subprocess
import tempfile
import time

import nodejs
from peer import SLOW, Failed, Process


class Page:
    """Runs `body` with `zmq` and `endpoint`; the promise it returns is the answer. What it has open stays until close()."""

    def __init__(self, browser, number):
        self.browser, self.number = browser, number

    def answer(self):
        return self.browser.answer_of(self.number)

    def close(self):
        self.browser.say({"close": self.number})
        self.browser.answer_of(self.number)


class Browser(Process):
    """node/browser.js"""

    def __init__(self):
        if not os.path.exists(nodejs.CHROMIUM):
            raise Failed("no chromium; scripts/deps.sh installs it")
        self.profile = tempfile.TemporaryDirectory(prefix="sb-chromium-", ignore_cleanup_errors=True)
        super().__init__(["node", os.path.join(nodejs.FOLDER, "browser.js"), os.path.join(nodejs.FOLDER, "bundle.js"),
                          self.profile.name], "chromium", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pages = 0

    def say(self, words):
        super().say(json.dumps(words))

    def page(self, body, endpoint):
        self.pages += 1
        self.say({"id": self.pages, "body": body, "argument": endpoint})
        return Page(self, self.pages)

    def answer_of(self, number):
        """Pages are asked one after the other: what an earlier one says later is not waited for."""
        limit = time.monotonic() + 60 * SLOW
        while (words := json.loads(self.line(limit, "answer of the page"))).get("id") != number:
            continue
        if "error" in words:
            raise Failed(f"in the page: {words['error']}\n{self.text()}")
        return words.get("answer")

    def quit(self):
        self.p.stdin.close()
        code = self.stop(None, 20)
        if code != 0:
            raise Failed(f"chromium ended with {code}\n{self.text()}")

    def reap(self):
        super().reap()
        self.profile.cleanup()
