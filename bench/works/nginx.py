"""The same broker inside nginx and standing alone."""
import os
import shutil

from harness import HERE, Failed, Proc, hwm
from works.broker import Broker

CONF = """load_module {module};
daemon off; error_log {folder}/error.log notice; pid {folder}/nginx.pid; worker_processes 1;
events {{ worker_connections 512; }}
signalbox {{ script {script} {words}; backend {backend}; }}
"""


class Nginx(Broker):
    name, title = "nginx", "The same broker inside nginx (to the limit: to standing alone)"
    sizes, limit = [64, 1024], "pass-uring"
    who = [("pass-uring", "standalone, io_uring"), ("nginx-uring", "in nginx, io_uring")]
    goals = {("nginx-uring", 64): ("x limit", 0.9), ("nginx-uring", 1024): ("x limit", 0.9)}

    def compared(self, kind):
        return [("x limit", self.limit)]

    def middle(self, bench, kind, size, ports):
        words = [f"from={ports[0]}", f"a={ports[1]}", f"hwm={hwm(size)}"]
        script, backend = os.path.join(HERE, "scripts", "pass.lua"), kind.split("-")[1]
        if kind.startswith("pass"):
            return [os.path.join(bench.build, "signalbox"), "run", "--backend", backend, script] + words
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        module = os.path.join(bench.build, "ngx_signalbox_module.so")
        if nginx is None or not os.path.exists(module):
            raise Failed("no nginx, or the module is not built")
        conf = os.path.join(bench.folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(CONF.format(module=module, folder=bench.folder, script=script, words=" ".join(words), backend=backend))
        return [nginx, "-p", bench.folder, "-c", conf, "-e", os.path.join(bench.folder, "error.log")]


WORKS = [Nginx]
