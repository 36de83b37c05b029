-- Late joiners, confirmed subscriptions.
test("retain is checked", function()
  fails("'retain' needs last", function() sb.pub { retain = { per = "topic" } } end)
  fails("what is 'lasts'?", function() sb.pub { retain = { last = 1, lasts = 2 } } end)
  fails("'retain.per' is", function() sb.pub { retain = { last = 1, per = "peer" } } end)
  fails("'retain' is a table", function() sb.pub { retain = 3 } end)
  fails("option 'retain_last' does not belong to a SUB", function() sb.sub { retain = { last = 1 } } end)
  local s <close> = sb.pub { retain = { last = 3, per = 4, messages = 10, bytes = "1k" } }
  eq(s:get "retain_last", 3)
  eq(s:get "retain_prefix", 4)
  eq(s:get "retain_messages", 10)
  eq(s:get "retain_bytes", 1024)
end)

test("a late joiner gets the last of each topic", function()
  local pub <close> = sb.pub { bind = "tcp://127.0.0.1:*", retain = { last = 2, per = "topic" } }
  for i = 1, 5 do
    pub:send { "a", tostring(i) }
    pub:send { "b", tostring(i) }
  end
  eq(pub:stats().retained_msgs, 4)
  local sub <close> = sb.sub { connect = pub.last_endpoint, subscribe = "a" }
  eq(table.concat(sub:recv_all(5), "|"), "a|4")
  eq(table.concat(sub:recv_all(5), "|"), "a|5")
  pub:send { "a", "live" }
  eq(table.concat(sub:recv_all(5), "|"), "a|live")
  eq(pub:forget "a", 2)
  eq(pub:forget(), 2)
end)

test("a confirmed subscription misses nothing", function()
  local topics = {}
  local sub <close> = sb.sub {}
  sub:on_peer(function(event, _, info)
    if event == "subscription_confirmed" then topics[#topics + 1] = info.detail end
  end)
  for i = 1, 20 do
    local pub <close> = sb.pub { bind = "tcp://127.0.0.1:*" }
    sub:connect(pub.last_endpoint)
    assert(sub:subscribe("t" .. i, { confirm = true, timeout = 5 }))
    pub:send("t" .. i)
    eq(sub:recv(5)[1], "t" .. i)
    sub:disconnect(pub.last_endpoint)
    eventually(function() return #sub:peers() == 0 end)
  end
  eq(#topics, 210) -- each publisher is told all that is subscribed by then
end)

test("waiting for a confirmation can end otherwise", function()
  local sub <close> = sb.sub {}
  local ok, err, code = sub:subscribe("x", { confirm = true, timeout = 0.02 })
  eq(ok, nil)
  eq(code, "ETIMEDOUT")
  fails("table expected", sub.subscribe, sub, "x", true)
  sb.spawn(function() sb.sleep(0.02) sub:close() end)
  ok, err, code = sub:subscribe("y", { confirm = true })
  eq(code, "ECLOSED")
end)

local function read_all(sub, last)
  local got = {}
  repeat
    local msg = assert(sub:recv(5))
    got[#got + 1] = msg[1]
  until msg[1] == last
  return table.concat(got, " ")
end

test("filters are checked", function()
  local s <close> = sb.pub {}
  fails("a filter is a function, { exact = true } or", function() s:filter("a", {}) end)
  fails("a filter is a function, { exact = true } or", function() s:filter("a", { exact = true, match = "a" }) end)
  fails("'match' of a filter is a pattern", function() s:filter("a", { match = 1 }) end)
  fails("'>' can only be its last piece", function() s:filter("a", { match = "a.>.b" }) end)
  fails("'separator' of a filter is one octet", function() s:filter("a", { match = "a", separator = "::" }) end)
  fails("function expected", function() s:filter("a", true) end)
  fails("filter belongs to PUB and XPUB", function() sb.sub {}:filter("a", nil) end)
  eq(s:filter("a", { match = "a.*" }), s)
end)

test("named filters narrow who subscribes so", function()
  local pub <close> = sb.pub { bind = "tcp://127.0.0.1:*" }
  pub:filter("order.", { match = "order.*.eu" }):filter("status", { exact = true })
  pub:filter("path/", { match = "path/*/x", separator = "/" })
  local sub <close> = sb.sub { connect = pub.last_endpoint, subscribe = { "order.", "status", "path/", "end" } }
  local all <close> = sb.sub { connect = pub.last_endpoint, subscribe = "" }
  eventually(function() return pub:stats().subscriptions == 5 end)
  for _, t in ipairs { "order.1.eu", "order.1.us", "status", "status.x", "path/a/x", "path/a.b/y", "end" } do pub:send(t) end
  eq(read_all(sub, "end"), "order.1.eu status path/a/x end")
  eq(read_all(all, "end"), "order.1.eu order.1.us status status.x path/a/x path/a.b/y end")
end)

test("on_subscribe may answer with a filter", function()
  local pub <close> = sb.pub { bind = "tcp://127.0.0.1:*" }
  pub:on_subscribe(function(topic, peer)
    if topic == "w." then return { match = "w.*.c" } end
    if topic == "e" then return sb.ACCEPT, { exact = true } end
    if topic == "old." then return "new.", { match = "new.*.c" } end
    if topic == "f" then
      sb.sleep("1ms") -- and may take its time
      return function(msg, who)
        assert(who.type == "SUB")
        return msg[2] == "yes"
      end
    end
    return sb.ACCEPT
  end)
  local sub <close> = sb.sub { connect = pub.last_endpoint, subscribe = { "w.", "e", "old.", "f", "end" } }
  eventually(function() return pub:stats().subscriptions == 5 end)
  for _, t in ipairs { "w.1.c", "w.1.d", "e", "e2", "new.1.c", "new.1.d" } do pub:send(t) end
  pub:send { "f1", "yes" }
  pub:send { "f2", "no" }
  pub:send "end"
  eq(read_all(sub, "end"), "w.1.c e old.1.c f1 end")
end)

test("a filter that fails lets nothing pass, and may not send", function()
  local pub <close> = sb.pub { name = "failing", bind = "tcp://127.0.0.1:*" }
  local code
  expect "a filter broke"
  pub:filter("a", function(msg)
    if msg[1] == "ab" then error "a filter broke" end
    local _, _, name = pub:send("end", 0)
    code = name
    msg[1] = "edited"
    return true
  end)
  local sub <close> = sb.sub { connect = pub.last_endpoint, subscribe = { "a", "end" } }
  eventually(function() return pub:stats().subscriptions == 2 end)
  pub:send "ab"
  pub:send "ac"
  pub:send "end"
  eq(read_all(sub, "end"), "ac end")
  eq(code, "EFSM")
  eq(pub:stats().dropped.script, 1)
end)
