"""ZeroMQ libraries of npm as peers: installed into the build folder by the first test that needs them."""
import fcntl
import os
import shutil
import subprocess
import sys

from peer import HERE, SLOW, TOP, Failed, Process, word

PACKAGES = ["jszmq@0.1.2", "zeromq@6.8.0", "playwright-core@1.65.1", "esbuild@0.28.2"]
SCRIPTS = os.path.join(HERE, "node")
FOLDER = os.path.join(os.path.abspath(TOP), "tests", "node")
CHROMIUM = "/usr/bin/chromium"


def run(*command, seconds=300):
    done = subprocess.run(command, cwd=FOLDER, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds * SLOW, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def bundle():
    """jszmq as one file for a page; what it needs of Node only to listen is left empty."""
    with open(os.path.join(FOLDER, "empty.js"), "w", encoding="utf-8") as f:
        f.write("module.exports = {};\n")
    aliases = [f"--alias:{name}=./empty.js" for name in ("url", "http", "https", "net")]
    run("npx", "esbuild", "entry.js", "--bundle", "--outfile=bundle.js", "--define:global=window",
        "--log-level=error", *aliases, "--banner:js=var process={env:{},nextTick:f=>setTimeout(f,0)};")


def set_up():
    """Skips the whole file where Node.js or npm are missing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("no node or npm here")
        sys.exit(77)
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = os.path.join(FOLDER, "installed")
        wanted = " ".join(PACKAGES)
        for name in ("ws_peer.js", "browser.js", "entry.js"):
            shutil.copyfile(os.path.join(SCRIPTS, name), os.path.join(FOLDER, name))
        if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == wanted:
            return
        with open(os.path.join(FOLDER, "package.json"), "w", encoding="utf-8") as f:
            f.write('{"private": true}\n')
        run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", *PACKAGES)
        bundle()
        with open(stamp, "w", encoding="utf-8") as f:
            f.write(wanted)


class NodePeer(Process):
    """node/ws_peer.js with one socket."""

    def __init__(self, library, kind, options=None, **environment):
        super().__init__(["node", os.path.join(FOLDER, "ws_peer.js"), library], library, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=dict(os.environ, **environment))
        self.ask(" ".join(["open", kind] + [f"{k}={v}" for k, v in (options or {}).items()]))

    def ask(self, line, seconds=10):
        self.say(line)
        text = self.read(seconds, f"answer to {line[:60]}")
        if text.startswith("error"):
            raise Failed(f"{self.name}: {line[:60]}: {text}")
        return text

    def bind(self, endpoint):
        self.ask(f"bind {endpoint}")

    def connect(self, endpoint):
        self.ask(f"connect {endpoint}")

    def subscribe(self, topic):
        self.ask(f"subscribe {word(topic)}")

    def send(self, *frames):
        self.ask("send " + " ".join(word(f) for f in frames))

    def recv(self):
        return [b"" if w == "-" else bytes.fromhex(w) for w in self.ask("recv").split()[1:]]

    def quit(self):
        self.p.stdin.close()
        try:
            self.p.wait(10 * SLOW)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end") from None
