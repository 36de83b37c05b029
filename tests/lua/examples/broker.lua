local letters = sb.pull { bind = "inproc://dlq" }

test("orders find their workers, the rest the dead letters", function()
  local w1 <close> = sb.rep { connect = "inproc://eu" }
  local w2 <close> = sb.rep { connect = "inproc://us" }
  w1:on_message(function(msg) return { "eu", msg[1] } end)
  w2:on_message(function(msg) return { "us", msg[1] } end)
  local client <close> = sb.req { connect = "inproc://front" }
  eq(client:request("PING", 5)[1], "PONG")
  eq(client:request("order.eu.1", 5)[1], "eu")
  eq(client:request("order.us.1", 5)[1], "us")
  eq(client:request("order.any", 5)[2], "order.any")
  eq(select(3, client:request("parcel.7", 0.02)), "ETIMEDOUT")
  local letter = letters:recv(5)
  eq(sb.json.decode(letter[1]).reason, "no route")
  eq(sb.json.decode(letter[1]).socket, "front")
  eq(letter[2], "parcel.7")
end)

test("ticks are stamped and published", function()
  local exchange <close> = sb.pub { bind = "inproc://ticks" }
  local old <close> = sb.sub { connect = "inproc://feed", subscribe = "legacy.tick." }
  local new <close> = sb.sub { connect = "inproc://feed", subscribe = "v2.tick.EUR" }
  local all <close> = sb.sub { connect = "inproc://feed", subscribe = "" }
  eventually(function() return exchange:stats().subscriptions == 1 end)
  sb.sleep(0.05)
  exchange:send { "tick.EURUSD", '{"bid":1.5}' }
  local msg = new:recv(5)
  eq(msg[1], "v2.tick.EURUSD")
  eq(sb.json.decode(msg[2]).bid, 1.5)
  eq(type(sb.json.decode(msg[2]).ts), "number")
  eq(old:recv(5)[1], "legacy.tick.EURUSD")
  eq(select(3, all:recv(0.02)), "ETIMEDOUT")
  exchange:send { "tick.EURUSD", "this is not JSON" }
  local letter = letters:recv(5)
  eq(sb.json.decode(letter[1]).socket, "ticks")
  eq(letter[3], "this is not JSON")
end)
