"""HTTP requests that one worker behind nginx answers: a REP through signalbox_request, beside a plain HTTP server through
proxy_pass with connections that are kept. Front and worker share a core, wrk has another."""
import http.client
import os
import pwd
import re
import shutil
import subprocess
import time

from harness import HERE, Failed, Proc, Result, free_ports
from works import Work

CONNECTIONS = 64

MAIN = """daemon off; worker_processes 1; user {user};
error_log {folder}/{name}.log notice; pid {folder}/{name}.pid;
events {{ worker_connections 1024; }}
"""

TEMPS = "".join(f"{kind}_temp_path {{folder}}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))

PLAIN = MAIN + "http {{ access_log off; keepalive_requests 1000000000; " + TEMPS + """
  server {{ listen 127.0.0.1:{back} reuseport; location / {{ return 200 {body}; }} }} }}
"""

PROXY = MAIN + "http {{ access_log off; keepalive_requests 1000000000; " + TEMPS + """
  upstream back {{ server 127.0.0.1:{back}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
"""

SIGNALBOX = "load_module {module};\n" + MAIN + "signalbox {{ backend {backend}; script {folder}/jobs.lua; }}\n" + \
    "http {{ access_log off; keepalive_requests 1000000000; " + TEMPS + """
  server {{ listen 127.0.0.1:{port}; location / {{ signalbox_request jobs; }} }} }}
"""

JOBS = 'local sb = require "signalbox"\nsb.dealer {{ name = "jobs", bind = "tcp://127.0.0.1:{back}" }}\n'


class Nginx(Proc):
    """Ends its worker too."""

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        super().end()


class Http(Work):
    name, title = "http", "HTTP requests answered by one worker (to the limit: nginx's proxy_pass to plain HTTP)"
    unit, scale, limit = "thousand requests per second", 1e3, "proxy"
    sizes = [64, 1024]
    who = [("proxy", "proxy_pass to plain HTTP"), ("http-uring", "signalbox_request to a REP, io_uring"),
           ("http-uv", "signalbox_request to a REP, libuv")]
    goals = {("http-uring", 64): ("x limit", 1.0), ("http-uring", 1024): ("x limit", 1.0)}

    def compared(self, kind):
        return [("x limit", self.limit)]

    def nginx(self, bench, name, text, facts):
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            raise Failed("no nginx")
        conf, log = (os.path.join(bench.folder, name + end) for end in (".conf", ".log"))
        with open(conf, "w") as f:
            f.write(text.format(name=name, **facts))
        return Nginx([program, "-p", bench.folder, "-c", conf, "-e", log], core=1)

    def procs(self, bench, kind, size):
        back, self.port = free_ports(2)
        facts = {"folder": bench.folder, "back": back, "port": self.port, "body": "x" * size,
                 "user": pwd.getpwuid(os.getuid()).pw_name}
        if kind == "proxy":
            return [self.nginx(bench, "plain", PLAIN, facts), self.nginx(bench, "front", PROXY, facts)]
        facts.update(module=os.path.join(bench.build, "ngx_signalbox_module.so"), backend=kind.split("-")[1])
        if not os.path.exists(facts["module"]):
            raise Failed("the nginx module is not built")
        with open(os.path.join(bench.folder, "jobs.lua"), "w") as f:
            f.write(JOBS.format(**facts))
        worker = [bench.program("sb"), "script", f"backend={facts['backend']}", f"script={HERE}/scripts/worker.lua", "--",
                  f"from={back}", f"size={size}"]
        return [self.nginx(bench, "front", SIGNALBOX, facts), Proc(worker, core=1)]

    def answers(self, size):
        try:
            conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            conn.request("GET", "/")
            reply = conn.getresponse()
            return reply.status == 200 and len(reply.read()) == size
        except OSError:
            return False
        finally:
            conn.close()

    def once(self, bench, kind, size):
        wrk = shutil.which("wrk")
        if wrk is None:
            raise Failed("wrk is not installed")
        procs = self.procs(bench, kind, size)
        try:
            for proc in procs:
                proc.start()
            end = time.monotonic() + 8
            while not self.answers(size):
                if time.monotonic() > end or any(p.failed() for p in procs):
                    raise Failed("no answer")
                time.sleep(0.02)
            return self.load(bench, wrk)
        finally:
            for proc in procs:
                proc.end()

    def load(self, bench, wrk):
        seconds = 1 if bench.quick else 3
        said = subprocess.run(["taskset", "-c", "0", wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s",
                               f"http://127.0.0.1:{self.port}/"], capture_output=True, text=True, timeout=60).stdout
        rate = re.search(r"Requests/sec:\s*([\d.]+)", said)
        if rate is None or "Non-2xx" in said:
            raise Failed("wrk: " + said[-200:])
        return Result(float(rate.group(1)))


WORKS = [Http]
