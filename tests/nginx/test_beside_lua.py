"""Two Luas in one nginx: our 5.4 and the LuaJIT of nginx's own Lua module, loaded in either order."""
import os
import socket
import sys

import zmq

import harness

FOLDER = "/usr/lib/nginx/modules"
THEIRS = [os.path.join(FOLDER, name) for name in ("ndk_http_module.so", "ngx_http_lua_module.so")]

ECHO = """
local sb = require "signalbox"
local json = require "cjson.safe"
local cfg = ...
local rep = sb.rep { name = "echo", bind = "tcp://127.0.0.1:" .. cfg.port }
rep:on_message(function(msg) return json.encode { version = _VERSION, jit = jit ~= nil, text = msg[1] } end)
"""


class BesideLua(harness.NginxTest):
    def both_answer(self, modules):
        port, web = harness.free_port(), harness.free_port()
        server = self.nginx(
            "script a.lua port=%d;" % port, {"a.lua": ECHO}, workers=2, modules=modules,
            http='server { listen 127.0.0.1:%d; location / { content_by_lua_block { ngx.print(_VERSION, jit.version) } } }'
            % web)
        server.start()
        for _ in range(3):
            client = self.connect(zmq.REQ, port)
            client.send(b"hi")
            answer = client.recv_json()
            self.assertEqual((answer["version"], answer["jit"], answer["text"]), ("Lua 5.4", False, "hi"))
            with socket.create_connection(("127.0.0.1", web), 5) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                page = b"".join(iter(lambda: s.recv(4096), b""))
            self.assertIn(b"Lua 5.1LuaJIT", page)
            old, _ = server.reload()
            server.wait_gone(old)
        server.quit()

    def test_ours_first(self):
        self.both_answer([harness.MODULE] + THEIRS)

    def test_theirs_first(self):
        self.both_answer(THEIRS + [harness.MODULE])


if __name__ == "__main__":
    if not all(os.path.exists(path) for path in THEIRS):
        print("skipped: libnginx-mod-http-lua is not installed")
        sys.exit(77)
    if os.path.exists(harness.LIBRARY) and harness.sanitizer_of(os.path.realpath(harness.LIBRARY)):
        print("skipped: sanitizers do not go with RTLD_DEEPBIND, which keeps the two apart")
        sys.exit(77)
    harness.main()
