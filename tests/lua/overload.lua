-- on_full, message_ttl, conflate_key and the events that go with them.
test("names of policies are checked", function()
  local s <close> = sb.push { on_full = "drop_old", message_ttl = "250ms", conflate_key = 2, conflate_prefix = 3 }
  eq(s:get "on_full", "drop_old")
  eq(s:get "message_ttl", 0.25)
  s:set("on_full", "block")
  eq(s:get "on_full", "block")
  fails([[option 'on_full': one of "default", "block", "drop_new", "drop_old", "disconnect" expected, got drop]],
    function() sb.push { on_full = "drop" } end)
  fails("option 'on_full': one of", function() sb.push { on_full = true } end)
  fails("option 'on_full' does not belong to a REQ", function() sb.req { on_full = "block" } end)
  fails("option on_full of a STREAM socket cannot be drop_old: octets in the middle would be missing",
    function() sb.stream { on_full = "drop_old" } end)
  for _, kind in ipairs { "rep", "server", "peer", "radio", "dish", "dgram" } do
    local any <close> = sb[kind] { on_full = "drop_old" }
    eq(any:get "on_full", "drop_old")
  end
  fails("option 'conflate_key' does not belong to a ROUTER", function() sb.router { conflate_key = 1 } end)
end)

test("the oldest makes room", function()
  local push <close> = sb.push { sndhwm = 3, on_full = "drop_old", linger = 0 }
  push:connect "inproc://overload-old"
  for i = 1, 10 do assert(push:send(tostring(i), 0)) end
  eq(push:stats().dropped.evicted, 7)
  local pull <close> = sb.pull { bind = "inproc://overload-old" }
  for i = 8, 10 do eq(pull:recv(5)[1], tostring(i)) end
end)

test("the sender waits, or the newest goes", function()
  for policy, code in pairs { block = "EAGAIN", drop_new = false } do
    local push <close> = sb.push { sndhwm = 3, on_full = policy, linger = 0 }
    push:connect("inproc://overload-" .. policy)
    for i = 1, 3 do assert(push:send(tostring(i), 0)) end
    eq(select(3, push:send("4", 0)) or false, code)
    eq(push:stats().dropped.hwm, code and 0 or 1)
    local pull <close> = sb.pull { bind = "inproc://overload-" .. policy }
    for i = 1, 3 do eq(pull:recv(5)[1], tostring(i)) end
  end
end)

test("a peer that is full may be left", function()
  local pub <close> = sb.xpub { bind = "tcp://127.0.0.1:*", sndhwm = 3, on_full = "disconnect" }
  local sub <close> = sb.sub { connect = pub.last_endpoint, subscribe = "", reconnect_ivl = -1 }
  local gone
  pub:on_peer(function(event, _, info) if event == "disconnected" then gone = info.detail end end)
  eventually(function() return pub:stats().subscriptions == 1 end)
  for i = 1, 10 do pub:send(tostring(i)) end                -- within one turn: nothing leaves
  eventually(function() return gone end)
  eq(gone:find("on_full", 1, true) ~= nil, true)
end)

test("congestion is told with depth", function()
  local seen = {}
  local push <close> = sb.push { sndhwm = 4, on_full = "drop_new", linger = 0 }
  push:on_peer(function(event, peer, info)
    if event == "congested" or event == "relieved" then seen[#seen + 1] = { event, info.queued_msgs, peer ~= nil } end
  end)
  push:connect "inproc://overload-events"
  for i = 1, 10 do push:send("x", 0) end
  eventually(function() return #seen == 1 end)
  eq(seen[1][1], "congested")
  eq(seen[1][2], 4)
  eq(seen[1][3], true)
  local pull <close> = sb.pull { bind = "inproc://overload-events" }
  for i = 1, 4 do eq(pull:recv(5)[1], "x") end
  eventually(function() return #seen == 2 end)
  eq(seen[2][1], "relieved")
  eq(push:stats().dropped.hwm, 6)
end)

test("ages and rates are told", function()
  local push <close> = sb.push { linger = 0 }
  push:connect "inproc://overload-age"
  push:send "waits"
  sb.sleep(0.05)
  local st = push:stats()
  assert(st.age_out >= 0.04 and st.age_out < 30, st.age_out)
  eq(st.age_in, 0)
  eq(st.rates.msgs_out, 0)
  local pull <close> = sb.pull { bind = "inproc://overload-age" }
  eq(pull:recv(5)[1], "waits")
  eventually(function() return push:stats().age_out == 0 end)
  local rates = pull:peers()[1]:stats().rates
  assert(rates.msgs_in > 0 and rates.bytes_in > 6 * rates.msgs_in and rates.span > 0, rates.msgs_in)
end)

test("what waited too long is gone", function()
  local push <close> = sb.push { message_ttl = "50ms", linger = 0 }
  push:connect "inproc://overload-ttl"
  push:send "old"
  eventually(function() return push:stats().dropped.expired == 1 end)
  push:send "new"
  local pull <close> = sb.pull { bind = "inproc://overload-ttl" }
  eq(pull:recv(5)[1], "new")
end)

test("a slow reader sees the newest of each key", function()
  local pub <close> = sb.pub { bind = "inproc://overload-key" }
  local sub <close> = sb.sub { connect = "inproc://overload-key", subscribe = "", conflate_key = 1 }
  eventually(function() return pub:stats().subscriptions == 1 end)
  for i = 1, 50 do
    pub:send { "a", tostring(i), "x" }
    pub:send { "b", tostring(i) }
  end
  eventually(function() return sub:stats().dropped.conflated == 98 end)
  eq(table.concat(sub:recv_all(5), "|"), "a|50|x")
  eq(table.concat(sub:recv_all(5), "|"), "b|50")
  eq(sub:recv(0), nil)
end)
