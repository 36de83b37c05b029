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
