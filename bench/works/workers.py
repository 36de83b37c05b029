"""A broker whose Lua function fills a processor, inside nginx: in one worker, and in two that are one socket."""
import os
import shutil

from harness import HERE, Failed, Proc, free_ports, hwm
from works import Work

CONF = """load_module {module};
daemon off; error_log {folder}/error.log notice; pid {folder}/nginx.pid; worker_processes {workers};
events {{ worker_connections 512; }}
signalbox {{ worker all; script {script} {words}; backend {backend}; }}
"""
CONNECTIONS = 8  # the kernel spreads them over the workers; each could fill one alone
ROUNDS = 1  # over the body: some twenty microseconds


class Workers(Work):
    name, title = "workers", "A broker with work of its own in Lua, in nginx with worker all (to the limit: to one worker)"
    unit, scale = "thousand messages/s", 1e3
    sizes, limit = [1024], "one-uring"
    who = [("one-uring", "one worker, io_uring"), ("two-uring", "two workers, io_uring"),
           ("one-uv", "one worker, libuv"), ("two-uv", "two workers, libuv")]
    goals = {("two-uring", 1024): ("x limit", 1.6), ("two-uv", 1024): ("x limit", 1.6)}

    def compared(self, kind):
        return [("x limit", "one-" + kind.split("-")[1])]

    def nginx(self, bench, kind, size, ports):
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        module = os.path.join(bench.build, "ngx_signalbox_module.so")
        if nginx is None or not os.path.exists(module):
            raise Failed("no nginx, or the module is not built")
        number, backend = kind.split("-")
        words = f"from={ports[0]} a={ports[1]} hwm={hwm(size)} rounds={ROUNDS}"
        conf = os.path.join(bench.folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(CONF.format(module=module, folder=bench.folder, workers={"one": 1, "two": 2}[number], words=words,
                                script=os.path.join(HERE, "scripts", "think.lua"), backend=backend))
        return [nginx, "-p", bench.folder, "-c", conf, "-e", os.path.join(bench.folder, "error.log")]

    def procs(self, bench, kind, size):
        ports = free_ports(2)
        receiver = Proc([bench.program("raw"), "recv", f"connect={ports[1]}", f"times={CONNECTIONS}", "tell=1", "type=PULL"]
                        + bench.common(size), receiver=True, opens=True)
        senders = [Proc([bench.program("raw"), "send", f"connect={ports[0]}", "type=PUSH", f"size={size}"])
                   for _ in range(CONNECTIONS)]
        return [Proc(self.nginx(bench, kind, size, ports), middle=True, settle=0.1), receiver] + senders


WORKS = [Workers]
