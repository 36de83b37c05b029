-- Message objects: reading, editing, keeping.
local function pair()
  local a = sb.pair { bind = "tcp://127.0.0.1:*" }
  local b = sb.pair { connect = a.last_endpoint }
  return a, b
end

test("a message is read without making strings", function()
  local a, b <close> = pair()
  b:send { "order.eu.1", "", "body" }
  local msg = a:recv(5)
  eq(msg:size(1), 10)
  eq(msg:size(2), 0)
  eq(msg:size(), 14)
  eq(msg:starts(1, "order."), true)
  eq(msg:starts(1, "order.us"), false)
  eq(msg:starts(9, "x"), false)
  eq(msg:equals(3, "body"), true)
  eq(msg:equals(3, "bod"), false)
  eq(table.concat(msg:frames(), "|"), "order.eu.1||body")
  eq(msg.nonsense, nil)
  eq(tostring(msg), "message (3 frames)")
  fails("the message has 3 frames", msg.size, msg, 4)
end)

test("a message is edited", function()
  local a, b <close> = pair()
  b:send { "one", "two" }
  local msg = a:recv(5)
  msg[2] = "zwei"
  msg:insert(1, "null")
  msg[#msg + 1] = "drei"
  eq(table.concat(msg:frames(), "|"), "null|one|zwei|drei")
  eq(msg:remove(1), "null")
  eq(msg:remove(), "drei")
  local other = msg:copy()
  other[1] = "changed"
  eq(msg[1], "one")
  eq(a:send(msg), true)
  eq(table.concat(b:recv_all(5), "|"), "one|zwei")
  fails("out of range", function() msg[7] = "x" end)
  fails("no field 'topic'", function() msg.topic = "x" end)
  fails("string expected", function() msg[1] = {} end)
end)

test("messages can be made by hand", function()
  local m = sb.message { "a", 1, 2.5 }
  eq(table.concat(m:frames(), "|"), "a|1|2.5")
  eq(#sb.message "x", 1)
  fails("at least one frame", sb.message, {})
  fails("frame 2 is a boolean", sb.message, { "a", true })
  fails("not a function", sb.message, print)
  m.envelope = { "id", "" }
  eq(#m, 3)
  eq(#m.envelope, 2)
  m.envelope = {}
  eq(#m.envelope, 0)
end)

test("a message ends with its handler", function()
  local a, b <close> = pair()
  local stolen, kept, edited
  a:on_message(function(msg)
    if msg:equals(1, "steal") then stolen = msg end
    if msg:equals(1, "keep") then kept = msg:keep() end
    if msg:equals(1, "edit") then msg[1] = "edited"; edited = msg end
  end)
  b:send "steal"
  b:send "keep"
  b:send "edit"
  eventually(function() return edited end)
  fails("message used after its handler returned; use msg:keep()", function() return stolen[1] end)
  fails("message used after its handler returned", function() return #stolen end)
  fails("message used after its handler returned", b.send, b, stolen)
  fails("message used after its handler returned", function() return edited[1] end)
  eq(kept[1], "keep")
  for i = 1, 300 do b:send("other" .. i) end
  sb.sleep(0.01)
  fails("message used after its handler returned", function() return stolen[1] end)
  eq(kept[1], "keep")
end)

test("a message lives while its handler waits", function()
  local a, b <close> = pair()
  local seen
  a:on_message(function(msg, peer)
    sb.sleep(0.02)
    seen = msg[1]
    msg[1] = "changed"
    eq(msg[1], "changed")
    eq(msg.peer, peer)
  end)
  b:send "slow"
  eventually(function() return seen end)
  eq(seen, "slow")
end)

test("lzmq's names work", function()
  local a, b <close> = pair()
  eq(b:send_all { "x", "y" }, true)
  eq(table.concat(a:recv_all(5), "|"), "x|y")
  eq(b:sendx("1", "2", "3"), true)
  local p, q, r = a:recvx(5)
  eq(p .. q .. r, "123")
  eq(b:send_more "head", true)
  eq(b:send "tail", true)
  eq(table.concat(a:recv_all(5), "|"), "head|tail")
end)

test("messages() ends when the socket is closed", function()
  local a, b <close> = pair()
  local n = 0
  sb.spawn(function()
    for msg in a:messages() do n = n + #msg end
    n = n + 100
  end)
  for _ = 1, 5 do b:send { "a", "b" } end
  eventually(function() return n == 10 end)
  a:close()
  eventually(function() return n == 110 end)
  local msg, err, code = a:recv(1)
  eq(code, "ECLOSED")
  eq(a.closed, true)
end)

test("who sent it", function()
  local a, b <close> = pair()
  b:send "x"
  local msg = a:recv(5)
  local peer = msg.peer
  eq(peer.connected, true)
  eq(type(peer.address), "string")
  eq(peer.user_id, "")
  eq(peer.type, "PAIR")
  eq(peer.socket, a)
  eq(a:peers()[1], peer)
  eq(type(peer.id), "number")
  eq(peer:stats().msgs_in, 1)
  eq(a:kick(peer, "enough"), true)
  eventually(function() return not peer.connected end)
  local ok, err, code = peer:kick()
  eq(ok, nil)
  eq(code, "EHOSTUNREACH")
end)
