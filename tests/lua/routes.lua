-- Routes, pipes and subscriptions.
expect "more errors of scripts"
expect "boom"

local function worker(kind, from, answer)
  local w = sb[kind] { connect = from.last_endpoint }
  w:on_message(function(msg)
    msg[1] = answer .. ":" .. msg[1]
    w:send(msg)
  end)
  return w
end

test("a router's requests go to dealers by content and come back", function()
  local front <close> = sb.router { name = "front", bind = "tcp://127.0.0.1:*" }
  local eu <close> = sb.dealer { name = "eu", bind = "tcp://127.0.0.1:*" }
  local us <close> = sb.dealer { name = "us", bind = "tcp://127.0.0.1:*" }
  local calls = 0
  front:route {
    { frame = 1, prefix = "order.eu.", to = eu },
    { frame = 1, prefix = "order.us.", to = us },
    { frame = 1, equals = "PING", reply = "PONG" },
    { frame = 1, prefix = "fn.", to = function(msg, peer)
      calls = calls + 1
      if msg:equals(1, "fn.wait") then sb.sleep(0.01) end
      if msg:equals(1, "fn.drop") then return sb.DROP, "unwanted" end
      eq(type(peer.address), "string")
      return eu
    end },
    { prefix = "bad.", drop = true },
  }
  eu:route { { to = front } }
  us:route { { to = front } }
  local w1 <close> = sb.rep { connect = eu.last_endpoint }
  w1:on_message(function(msg) return { "eu", msg[1] } end)
  local w2 <close> = sb.rep { connect = us.last_endpoint }
  w2:on_message(function(msg) return { "us", msg[1] } end)
  local req <close> = sb.req { connect = front.last_endpoint }
  local function ask(topic)
    local answer, err = req:request(topic, 5)
    eq(err, nil, topic)
    return table.concat(answer:frames(), "|")
  end
  eq(ask "order.eu.1", "eu|order.eu.1")
  eq(ask "order.us.1", "us|order.us.1")
  eq(ask "PING", "PONG")
  eq(ask "fn.x", "eu|fn.x")
  eq(ask "fn.wait", "eu|fn.wait")
  eq(calls, 2)
  local none, err, code = req:request("bad.x", 0.05)
  eq(code, "ETIMEDOUT")
  none, err, code = req:request("fn.drop", 0.05)
  eq(code, "ETIMEDOUT")
  eq(ask "order.eu.2", "eu|order.eu.2")
  local text, row = front:explain "order.us.77"
  eq(row, 2)
  eq(text:find("us", 1, true) ~= nil, true)
  eq(select(2, front:explain "bad.x"), 5)
  eq(front:explain "zzz", "no row matches")
  eq(w1:explain "x", "on_message")
  eq(req:explain "x", "no route: messages wait for recv")
end)

test("a dealer asks many at once through a router", function()
  local front <close> = sb.router { bind = "tcp://127.0.0.1:*" }
  front:on_message(function(msg, peer)
    if msg:equals(1, "slow") then sb.sleep(0.05) end
    msg[1] = "re:" .. msg[1]
    front:send(msg)
  end)
  local client <close> = sb.dealer { connect = front.last_endpoint }
  local done = 0
  for i = 1, 20 do
    sb.spawn(function()
      local answer, err = client:request("q" .. i, 5)
      eq(err, nil)
      eq(answer[1], "re:q" .. i)
      done = done + 1
    end)
  end
  eventually(function() return done == 20 end)
  local none, err, code = client:request("slow", 0.01)
  eq(code, "ETIMEDOUT")
  eq(client:request("after", 5)[1], "re:after")
end)

test("weights share the load", function()
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local a <close> = sb.push { bind = "tcp://127.0.0.1:*" }
  local b <close> = sb.push { bind = "tcp://127.0.0.1:*" }
  local pa <close> = sb.pull { connect = a.last_endpoint }
  local pb <close> = sb.pull { connect = b.last_endpoint }
  pull:route { { to = { a, b, weight = { 3, 1 } } } }
  local push <close> = sb.push { connect = pull.last_endpoint }
  for i = 1, 40 do push:send("m" .. i) end
  for _ = 1, 30 do eq(#pa:recv(5), 1) end
  for _ = 1, 10 do eq(#pb:recv(5), 1) end
  eq(select(3, pa:recv(0.02)), "ETIMEDOUT")
end)

test("mistakes in rows are told", function()
  local s <close> = sb.pull {}
  local t <close> = sb.push {}
  fails("row 1: unknown key 'prefx'", s.route, s, { { prefx = "a", to = t } })
  fails("row 2 needs exactly one of", s.route, s, { { prefix = "a", to = t }, { prefix = "b" } })
  fails("row 1 has both", s.route, s, { { prefix = "a", equals = "b", to = t } })
  fails("row 1: 'to' leads to a number", s.route, s, { { to = 5 } })
  fails("row 1: weight is a list of 1", s.route, s, { { to = { t, weight = { 1, 2 } } } })
  fails("row 1: frame without", s.route, s, { { frame = 2, to = t } })
  fails("row 1: frame is a number", s.route, s, { { frame = 0, prefix = "a", to = t } })
  fails("at least one row", s.route, s, {})
  fails("never match", s.route, s, { { to = t }, { prefix = "x", to = t } })
  s:route(nil)
end)

test("a closed target dead-letters", function()
  local dead <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local dlq = sb.push { connect = dead.last_endpoint }
  sb.dead_letter(dlq)
  local pull <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local out = sb.push {}
  pull:route { { to = out } }
  out:close()
  local push <close> = sb.push { connect = pull.last_endpoint }
  push:send "x"
  eq(sb.json.decode(dead:recv(5)[1]).reason, "the target is closed")
  dlq:close()
end)

test("a pipe transforms, splits, drops and refuses", function()
  local dead <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local dlq = sb.push { connect = dead.last_endpoint }
  sb.dead_letter(dlq)
  local input <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local output = sb.push { bind = "tcp://127.0.0.1:*" }
  local sink <close> = sb.pull { connect = output.last_endpoint }
  input:pipe(output, function(msg)
    local kind = msg[1]
    if kind == "same" then return msg end
    if kind == "text" then return "plain" end
    if kind == "frames" then return { "a", "b" } end
    if kind == "split" then return { msg, "two", { "three", "3" } } end
    if kind == "drop" then return sb.DROP end
    if kind == "wait" then sb.sleep(0.01); msg[1] = "waited"; return msg end
    if kind == "edit" then msg:insert(1, "v2"); return msg end
    if kind == "fail" then error "boom" end
    return nil, "bad json"
  end)
  local push <close> = sb.push { connect = input.last_endpoint }
  local function through(kind, ...)
    push:send(kind)
    for _, want in ipairs { ... } do eq(table.concat(sink:recv_all(5), "|"), want, kind) end
  end
  through("same", "same")
  through("text", "plain")
  through("frames", "a|b")
  through("split", "split", "two", "three|3")
  through("edit", "v2|edit")
  through "drop"
  through("wait", "waited")
  through "fail"
  through "other"
  eq(table.concat(dead:recv_all(5), "|", 2), "fail")
  local letter = dead:recv_all(5)
  eq(letter[2], "other")
  eq(sb.json.decode(letter[1]).reason, "bad json")
  input:pipe(output)
  through("other", "other")
  output:close()
  dlq:close()
end)

test("order is kept while a handler waits", function()
  local input <close> = sb.pull { bind = "tcp://127.0.0.1:*" }
  local push <close> = sb.push { connect = input.last_endpoint }
  local seen = {}
  input:on_message(function(msg)
    local i = tonumber(msg[1])
    if i % 3 == 0 then sb.sleep(0.002) end
    seen[#seen + 1] = i
  end)
  for i = 1, 60 do push:send(tostring(i)) end
  eventually(function() return #seen == 60 end)
  for i = 1, 60 do eq(seen[i], i) end
end)

test("subscriptions are accepted, denied and rewritten", function()
  local feed <close> = sb.xpub { bind = "tcp://127.0.0.1:*" }
  feed:on_subscribe(function(topic, peer)
    eq(peer.type, "SUB")
    if topic == "" then return sb.DENY, "no subscribe-all" end
    if topic:sub(1, 7) == "legacy." then return "v2." .. topic:sub(8) end
    if topic == "later" then sb.sleep(0.01) end
    if topic == "boom" then error "boom" end
    return sb.ACCEPT
  end)
  local events = {}
  sb.spawn(function() for m in feed:messages() do events[#events + 1] = m[1] end end)
  local function subscriber(topic)
    return sb.sub { connect = feed.last_endpoint, subscribe = topic }
  end
  local all <close> = subscriber ""
  local old <close> = subscriber "legacy.a"
  local late <close> = subscriber "later"
  local bad <close> = subscriber "boom"
  eventually(function() return feed:stats().subscriptions == 2 end)
  feed:send { "v2.a.1", "x" }
  feed:send { "later.1", "y" }
  feed:send { "boom.1", "z" }
  eq(old:recv(5)[1], "legacy.a.1") -- under the name it subscribed to
  eq(late:recv(5)[1], "later.1")
  eq(select(3, all:recv(0.02)), "ETIMEDOUT")
  eq(select(3, bad:recv(0.02)), "ETIMEDOUT")
end)
