-- The draft types and STREAM: what a script sees of them.
local names = 0
local function endpoint(how)
  names = names + 1
  return how == "inproc" and "inproc://types" .. names or "tcp://127.0.0.1:*"
end

local function pair_of(bound, connected, how)
  local a = sb[bound] { bind = endpoint(how) }
  return a, sb[connected] { connect = a.last_endpoint }
end

for _, how in ipairs { "tcp", "inproc" } do
  test("a client asks a server over " .. how, function()
    local first, second = pair_of("server", "client", how)
    local server <close> = first
    local client <close> = second
    server:on_message(function(msg, peer)
      eq(msg.routing_id, peer.routing_id)
      eq(math.type(msg.routing_id), "integer")
      return "re: " .. msg[1]
    end)
    assert(client:send "ask")
    eq(client:recv(5)[1], "re: ask")
  end)

  test("a server answers later, by number, over " .. how, function()
    local first, second = pair_of("server", "client", how)
    local server <close> = first
    local client <close> = second
    assert(client:send "ask")
    local msg = server:recv(5)
    local answer = sb.message "later"
    answer.routing_id = msg.routing_id
    assert(server:send(answer))
    eq(client:recv(5)[1], "later")
    assert(msg.peer:send "and again")
    eq(client:recv(5)[1], "and again")
    local ok, err, code = server:send "to whom?"
    eq(code, "EINVAL")
    answer.routing_id = 1 + (msg.routing_id % 4294967295)
    ok, err, code = server:send(answer)
    eq(code, "EHOSTUNREACH")
    fails("from 1 to 4294967295", function() answer.routing_id = 0 end)
  end)

  test("a peer is addressed as soon as it is connected, over " .. how, function()
    local a <close> = sb.peer { bind = endpoint(how) }
    local b <close> = sb.peer {}
    local other = assert(b:connect_peer(a.last_endpoint))
    assert(other:send "hello")
    local msg = a:recv(5)
    eq(msg[1], "hello")
    assert(msg.peer:send "hello yourself")
    msg = b:recv(5)
    eq(msg[1], "hello yourself")
    eq(msg.routing_id, other.routing_id)
  end)

  test("scatter, gather and channel over " .. how, function()
    local first, second = pair_of("gather", "scatter", how)
    local gather <close> = first
    local scatter <close> = second
    assert(scatter:send "one")
    eq(gather:recv(5)[1], "one")
    local ok, err, code = scatter:send { "one", "two" }
    eq(code, "EINVAL")
    local first, second = pair_of("channel", "channel", how)
    local a <close> = first
    local b <close> = second
    assert(a:send "to")
    eq(b:recv(5)[1], "to")
    assert(b:send "fro")
    eq(a:recv(5)[1], "fro")
  end)

  test("radio and dish over " .. how, function()
    local radio <close> = sb.radio { bind = endpoint(how) }
    local dish <close> = sb.dish { connect = radio.last_endpoint, join = { "news", "more" } }
    eventually(function() return radio:stats().subscriptions == 2 end, "both groups")
    assert(radio:send { "newspaper", "no" })
    assert(radio:send { "news", "rain" })
    local msg = dish:recv(5)
    eq(msg.group, "news")
    eq(msg[1], "rain")
    eq(#msg, 1)
    msg.group = "more"
    msg[1] = "sun"
    assert(radio:send(msg))
    msg = dish:recv(5)
    eq(msg.group, "more")
    eq(msg[1], "sun")
    assert(dish:leave "more")
    local ok, err, code = dish:leave "more"
    eq(code, "ENOENT")
    ok, err, code = dish:join "news"
    eq(code, "EEXIST")
    ok, err, code = dish:join(("x"):rep(256))
    eq(code, "EINVAL")
    ok, err, code = radio:send "no group"
    eq(code, "EINVAL")
  end)
end

test("a stream carries octets, and an empty frame ends it", function()
  local a <close> = sb.stream { bind = endpoint "tcp" }
  local b <close> = sb.stream {}
  local other = assert(b:connect_peer(a.last_endpoint))
  eq(#other.routing_id, 5)
  local came = a:recv(5)
  eq(came[1], "")
  eq(came.envelope[1], came.peer.routing_id)
  eq(b:recv(5)[1], "")
  assert(other:send "raw")
  local msg = a:recv(5)
  eq(msg[1], "raw")
  assert(msg.peer:send "and back")
  eq(b:recv(5)[1], "and back")
  assert(a:send { msg.peer.routing_id, "" })
  eq(b:recv(5)[1], "")
  local ok, err, code = a:send { msg.peer.routing_id, "after" }
  eq(code, "EHOSTUNREACH")
end)

test("dgram over inproc, and udp where there are descriptors", function()
  local a <close> = sb.dgram { bind = "inproc://datagrams" }
  local b <close> = sb.dgram { connect = "inproc://datagrams" }
  assert(b:send { "somebody", "hello" })
  local msg = a:recv(5)
  eq(msg.envelope[1], "somebody")
  eq(msg[1], "hello")
  if sb.metrics().backend == "fake" then return end
  local server <close> = sb.dgram { bind = "udp://127.0.0.1:*" }
  server:on_message(function(m) return "re: " .. m[1] end)
  local client <close> = sb.dgram { connect = server.last_endpoint }
  eventually(function()
    assert(client:send { "", "ask" })
    local answer = client:recv(0.1)
    return answer and answer[1] == "re: ask" and "udp://" .. answer.envelope[1] == server.last_endpoint
  end, "an answer")
  local dish <close> = sb.dish { bind = "udp://127.0.0.1:*", join = "g" }
  local radio <close> = sb.radio { connect = dish.last_endpoint }
  eventually(function()
    assert(radio:send { "g", "news" })
    local news = dish:recv(0.1)
    return news and news.group == "g" and news[1] == "news"
  end, "news")
end)

test("only sockets that address their peers send to one", function()
  local first, second = pair_of("pull", "push", "tcp")
  local pull <close> = first
  local push <close> = second
  assert(push:send "x")
  local ok, err, code = pull:recv(5).peer:send "y"
  eq(code, "ENOTSUP")
end)
