-- Constructors, options, endpoints, events, counters.
test("all types can be made", function()
  for _, t in ipairs { "pair", "pub", "sub", "req", "rep", "dealer", "router", "pull", "push", "xpub", "xsub",
    "stream", "dgram", "server", "client", "radio", "dish", "gather", "scatter", "peer", "channel" } do
    local s <close> = sb[t] {}
    eq(s.type, t:upper())
    eq(type(s.name), "string")
  end
end)

test("options have libzmq's names", function()
  local s <close> = sb.router { name = "opts", rcvhwm = 10, sndhwm = 20.0, linger = 0.5, heartbeat_ivl = "250ms",
    router_mandatory = true, maxmsgsize = "64k", routing_id = "me" }
  eq(s.name, "opts")
  eq(s:get "rcvhwm", 10)
  eq(s:get "sndhwm", 20)
  eq(s:get "linger", 0.5)
  eq(s:get "heartbeat_ivl", 0.25)
  eq(s:get "maxmsgsize", 65536)
  eq(s:get "routing_id", "me")
  s:set("linger", -1)
  eq(s:get "linger", -1)
  s:set("rcvhwm", 11):set("sndhwm", 12)
  eq(s:get "rcvhwm", 11)
end)

test("mistakes are told with line and suggestion", function()
  fails("sockets.lua:28: unknown option 'rcvhvm', did you mean 'rcvhwm'?", function() sb.pull { rcvhvm = 1 } end)
  fails("did you mean 'connect'?", function() sb.pull { conect = "tcp://127.0.0.1:1" } end)
  fails("unknown option 'qqqqqqqqqqq'", function() sb.pull { qqqqqqqqqqq = 1 } end)
  fails("option 'rcvhwm'", function() sb.pull { rcvhwm = "many" } end)
  fails("option 'linger'", function() sb.pull { linger = "soon" } end)
  fails("option 'linger'", function() sb.pull { linger = true } end)
  fails("option 'router_mandatory' does not belong to a PULL", function() sb.pull { router_mandatory = true } end)
  fails("names only", function() sb.pull { "tcp://127.0.0.1:1" } end)
  fails("'bind' is an endpoint or a list of them, not a number", function() sb.pull { bind = 5555 } end)
  fails("number 2 of the list is a number, not a string", function() sb.pull { bind = { "tcp://127.0.0.1:*", 7 } } end)
  fails("no fields to set", function() sb.pull().linger = 1 end)
  fails("on_subscribe belongs to PUB, XPUB and RADIO", function() sb.pull():on_subscribe(print) end)
  fails("function expected", function() sb.pull():on_message(1) end)
  fails("table expected", function() sb.pull "tcp://127.0.0.1:1" end)
end)

test("failures of the world are values", function()
  local a <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local b, err, code = sb.pull { bind = a.last_endpoint }
  eq(b, nil)
  eq(code, "EADDRINUSE")
  local c <close> = sb.pull {}
  local ok, err, code = c:bind(a.last_endpoint)
  eq(ok, nil)
  eq(code, "EADDRINUSE")
  ok, err, code = c:bind "nonsense"
  eq(ok, nil)
  eq(code, "EINVAL")
  ok, err, code = c:unbind "tcp://127.0.0.1:1"
  eq(code, "ENOENT")
  ok, err, code = c:send "x"
  eq(ok, nil)
  eq(code, "ENOTSUP")
  local d <close> = sb.push {}
  ok, err, code = d:recv(0)
  eq(code, "ENOTSUP")
  ok, err, code = d:send("x", 0)
  eq(code, "EAGAIN")
  ok, err, code = d:send("x", 0.01)
  eq(code, "ETIMEDOUT")
end)

test("a name is unique", function()
  local a <close> = sb.pull { name = "twin" }
  local b, err, code = sb.pull { name = "twin" }
  eq(code, "EEXIST")
end)

test("send waits until there is room", function()
  local push <close> = sb.push {}
  local sent
  sb.spawn(function() sent = push:send("late", 5) end)
  sb.sleep(0.01)
  eq(sent, nil)
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  push:connect(pull.last_endpoint)
  eq(pull:recv(5)[1], "late")
  eventually(function() return sent end)
end)

test("events tell of peers", function()
  local events, infos = {}, {}
  local a <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  a:on_peer(function(event, peer, info)
    events[#events + 1] = event
    infos[event] = info
    if event == "handshake_succeeded" then infos.peer = peer end
  end)
  local b <close> = sb.push { connect = a.last_endpoint }
  eventually(function() return infos.handshake_succeeded end)
  eq(infos.accepted.endpoint ~= nil, true)
  eq(infos.peer.type, "PUSH")
  b:close()
  eventually(function() return infos.disconnected end)
end)

test("counters count", function()
  local a <close> = sb.pull { name = "counted", bind = "tcp://127.0.0.1:*" }
  local b <close> = sb.push { connect = a.last_endpoint }
  for i = 1, 10 do b:send("x" .. i) end
  for i = 1, 10 do a:recv(5) end
  eq(a:stats().msgs_in, 10)
  eq(a:stats().peers, 1)
  eq(b:stats().msgs_out, 10)
  eq(type(a:stats().dropped.hwm), "number")
  eq(type(a:stats().handshake_failures.greeting), "number")
  local m = sb.metrics()
  eq(m.sockets.counted.msgs_in, 10)
  eq(m.sockets.counted.type, "PULL")
  local c = sb.metrics { counter = "orders_total", help = "orders seen" }
  c:add()
  c:add(2)
  eq(sb.metrics { counter = "orders_total" }:get(), 3)
  eq(sb.metrics().own.orders_total, 3)
  local g = sb.metrics { gauge = "level" }
  g:set(7)
  eq(g:get(), 7)
  fails("a counter only grows", c.add, c, -1)
  fails("no name for a metric", sb.metrics, { counter = "a b" })
end)

test("an unreferenced socket goes", function()
  do sb.pull { name = "lost", bind = "tcp://127.0.0.1:*" } end
  collectgarbage()
  collectgarbage()
  eventually(function() return sb.metrics().sockets.lost == nil end)
end)

test("a socket with a handler stays", function()
  local ep
  local got
  do
    local s = sb.pull { name = "kept", bind = "tcp://127.0.0.1:*" }
    ep = s.last_endpoint
    s:on_message(function(msg) got = msg[1] end)
  end
  collectgarbage()
  collectgarbage()
  local push <close> = sb.push { connect = ep }
  push:send "still there"
  eventually(function() return got == "still there" end)
end)

test("a handler may close its own socket", function()
  local a = sb.pull { bind = "tcp://127.0.0.1:*" }
  local n = 0
  a:on_message(function() n = n + 1; a:close() end)
  local push <close> = sb.push { connect = a.last_endpoint, linger = 0 }
  for i = 1, 10 do push:send "x" end
  eventually(function() return a.closed end)
  eq(n, 1)
  fails("the socket is closed", a.bind, a, "tcp://127.0.0.1:*")
  a:close()
end)

test("a peer is found by its routing id", function()
  local a <close> = sb.router { bind = "tcp://127.0.0.1:*" }
  local b <close> = sb.dealer { connect = a.last_endpoint, routing_id = "bob" }
  eventually(function() return a:peer "bob" end)
  local peer = a:peer "bob"
  eq(peer, a:peers()[1])
  eq(peer.identity, "bob")
  eq(peer.writable, true)
  eq(a:peer "alice", nil)
  local s <close> = sb.server { bind = "tcp://127.0.0.1:*" }
  local c <close> = sb.client { connect = s.last_endpoint }
  eventually(function() return #s:peers() == 1 end)
  eq(s:peer(s:peers()[1].routing_id), s:peers()[1])
  eq(s:peer(1 + s:peers()[1].routing_id % 4294967295), nil)
  eq(b:peer "bob", nil)                                     -- a DEALER addresses nobody
  peer:kick()
  eventually(function() return not peer.writable end)
end)

test("lists of endpoints and topics", function()
  local a <close> = sb.pub { bind = { "tcp://127.0.0.1:*", "inproc://lists" } }
  eq(a.type, "PUB")
  local b <close> = sb.sub { connect = { a.last_endpoint, "tcp://127.0.0.1:1" }, subscribe = { "x", "y" } }
  eq(b.type, "SUB")
  eventually(function() return a:stats().subscriptions == 2 end)
  eq(b:unsubscribe "y", true)
  eventually(function() return a:stats().subscriptions == 1 end)
end)
