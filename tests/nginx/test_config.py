"""nginx -t: everything that can be known before a worker runs is told, with file and line, and nothing is left behind."""
import os
import re

import harness

GOOD = 'local sb = require "signalbox"\nlocal cfg = ...\nsb.pull { name = cfg.name, bind = "tcp://127.0.0.1:" .. cfg.port }\n'


class Config(harness.NginxTest):
    def check(self, block, scripts=None, expect=None, **options):
        """Runs -t; `expect` is a pattern in its output, None means success."""
        server = self.nginx(block, scripts or {"a.lua": GOOD}, **options)
        server.expected.append(".")
        code, said = server.test()
        if expect is None:
            self.assertEqual(code, 0, said)
        else:
            self.assertEqual(code, 1, said)
            self.assertRegex(said, expect)
        return server, said

    def test_a_good_script_passes(self):
        self.check("script a.lua port=%d;" % harness.free_port())

    def test_a_block_without_scripts_and_no_block_at_all_pass(self):
        self.check("")
        self.check(None)

    def test_a_syntax_error_has_script_line_and_configuration_line(self):
        self.check("\nscript a.lua;", {"a.lua": "local x\nlocal = 3\n"},
                   r"signalbox: a\.lua:2: .*near '=' in .*/nginx\.conf:\d+")

    def test_an_unknown_option_is_named_with_a_suggestion(self):
        script = 'local sb = require "signalbox"\nsb.pull {\n  bind = "tcp://127.0.0.1:1", rcvhvm = 3 }\n'
        self.check("script a.lua;", {"a.lua": script}, r"a\.lua:\d+: .*rcvhvm.*rcvhwm.* in .*nginx\.conf:\d+")

    def test_a_runtime_error_of_the_top_level_is_told(self):
        self.check("script a.lua;", {"a.lua": "local t\nt.x = 1\n"}, r"a\.lua:2: .*nil value.* in .*nginx\.conf:\d+")

    def test_two_sockets_on_one_address_clash(self):
        port = harness.free_port()
        script = ('local sb = require "signalbox"\nsb.pull { bind = "tcp://127.0.0.1:%d" }\n'
                  'sb.pull { bind = "tcp://127.0.0.1:%d" }\n' % (port, port))
        self.check("script a.lua;", {"a.lua": script}, r"a\.lua:3: .*address already in use")

    def test_two_scripts_on_one_address_clash(self):
        port = harness.free_port()
        self.check("script a.lua port=%d;\nscript b.lua port=%d;" % (port, port), {"a.lua": GOOD, "b.lua": GOOD},
                   r"b\.lua:3: .*address already in use.*a\.lua")

    def test_two_sockets_of_one_name_clash(self):
        script = 'local sb = require "signalbox"\nsb.pull { name = "x" }\nsb.pull { name = "x" }\n'
        self.check("script a.lua;", {"a.lua": script}, r"a\.lua:3: .*x")

    def test_a_listen_of_http_on_the_same_address_clashes(self):
        port = harness.free_port()
        self.check("script a.lua port=%d;" % port, None, r"emerg.*signalbox: tcp://127\.0\.0\.1:%d is also listened on" % port,
                   http="server { listen 127.0.0.1:%d; }" % port)

    def test_an_unreadable_script_is_named(self):
        self.check("script nothere.lua;", None, r"cannot read script \".*nothere\.lua\" \(2: .*nginx\.conf:\d+")
        self.check("script .;", None, r"cannot read script .*nginx\.conf:\d+")

    def test_a_script_that_needs_a_zone_says_so(self):
        script = 'local sb = require "signalbox"\nsb.shared("x"):incr("n", 1, 0)\n'
        self.check("script a.lua;", {"a.lua": script}, r"a\.lua:2: sb\.shared needs a zone.*zone NAME SIZE")
        self.check("zone z 64k; script a.lua;", {"a.lua": script})

    def test_unknown_directives_and_values_are_told(self):
        for block, pattern in (
                ("lingr 3s;", r'unknown directive "lingr", there are:.* linger .*nginx\.conf:\d+'),
                ("backend epoll;", r'unknown backend "epoll", use auto, uring or uv in .*nginx\.conf:\d+'),
                ("memory lots;", r'invalid memory "lots", must be .*nginx\.conf:\d+'),
                ("handler_time 0;", r'invalid handler_time "0", must be '),
                ("linger soon;", r'invalid linger "soon", must be '),
                ("max_peers many;", r'invalid max_peers "many", must be '),
                ("zone a:b 1m;", r'invalid zone name "a:b", must be '),
                ("zone a 4k;", r'invalid zone size "4k", must be '),
                ("zone a 1m; zone b 1m;", r"one zone serves all scripts"),
                ("takeover never;", r'invalid takeover "never", must be drain or overlap'),
                ("worker x;", r'worker "x" must be '),
                ("worker 3;", r"worker 3: there are only 1 worker_processes"),
                ("worker;", r"usage: worker NUMBER\|all;"),
                ("script a.lua region;", r'script argument "region" must be key=value'),
                ("library /nowhere/lib.so;", r"cannot open the library: /nowhere/lib\.so")):
            with self.subTest(block=block):
                self.check(block, None, pattern)

    def test_what_cannot_be_one_socket_over_all_workers_is_refused(self):
        for declares, pattern in (
                ('sb.pub { name = "a", bind = at }', None), ('sb.dealer { name = "a", connect = at }', None),
                ('sb.pair { name = "a", bind = "inproc://x" }', None),
                ('sb.pair { name = "a", bind = at }', 'socket "a": PAIR cannot be one socket .*: use worker 0'),
                ('sb.server { name = "a", bind = at }', "SERVER cannot be"), ('sb.stream { name = "a", bind = at }', "STREAM cannot be"),
                ('sb.req { name = "a", bind = at }', "REQ: one that binds asks only who came"),
                ('sb.pub { name = "a", bind = at, retain_last = 1 }', "retain_last needs one worker"),
                ('sb.xpub { name = "a", bind = at, xpub_manual = true }', "xpub_manual needs one worker"),
                ('sb.push { name = "a", bind = at, balance = "sticky" }', "balance must be round_robin or least_queued"),
                ('sb.dealer { name = "a", connect = at, routing_id = "x" }', "routing_id and connect: all workers would")):
            with self.subTest(declares=declares):
                script = 'local sb = require "signalbox"\nlocal at = "tcp://127.0.0.1:%d"\n%s\n' % (harness.free_port(), declares)
                self.check("worker all; script a.lua;", {"a.lua": script}, pattern and "signalbox: worker all: .*" + pattern, workers=2)
        self.check("worker all; script a.lua;", {"a.lua": ""}, "at most 64 worker_processes, not 65", workers=65)

    def test_a_single_process_is_refused(self):
        self.check("script a.lua port=%d;" % harness.free_port(), None, r"signalbox: does not work with master_process off",
                   master=False)
        self.check(None, master=False)

    def test_a_second_block_is_refused(self):
        self.check("", None, r'"signalbox" directive is duplicate', main="signalbox { }")

    def test_an_abstract_name_is_refused(self):
        script = 'require("signalbox").pull { bind = "ipc://@sbtest" }\n'
        self.check("script a.lua;", {"a.lua": script}, r"ipc://@sbtest .*abstract")

    def test_checking_leaves_nothing_behind(self):
        server = self.nginx("script a.lua;", {})
        server.write("a.lua", 'require("signalbox").pull { bind = "ipc://%s" }\n' % server.path("s"))
        code, said = server.test()
        self.assertEqual(code, 0, said)
        self.assertFalse(os.path.exists(server.path("s")))

    def test_checking_runs_no_task(self):
        script = ('local sb = require "signalbox"\nsb.spawn(function() sb.log.error("it ran") end)\n'
                  'sb.after(0, function() sb.log.error("it ran") end)\n')
        _, said = self.check("script a.lua;", {"a.lua": script})
        self.assertNotIn("it ran", said)

    def test_included_files_keep_their_own_lines(self):
        server = self.nginx("include more.conf;", {"a.lua": "x x\n", "more.conf": "\n\nscript a.lua;\n"})
        server.expected.append(".")
        code, said = server.test()
        self.assertEqual(code, 1, said)
        self.assertTrue(re.search(r"a\.lua:1: .* in .*more\.conf:3", said), said)

    def test_insisting_on_io_uring_where_it_is_refused_is_an_error(self):
        if harness.uring_works():
            self.check("backend uring;")
        else:
            self.check("backend uring;", None, r"backend uring: .*io_uring")


if __name__ == "__main__":
    harness.main()
