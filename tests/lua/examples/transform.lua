test("records are marked, lists split, heartbeats dropped", function()
  local push <close> = sb.push { connect = "inproc://input" }
  local pull <close> = sb.pull { connect = "inproc://output" }
  push:send { "heartbeat" }
  push:send { "t", '{"a":1}' }
  push:send { "t", '[{"n":1},{"n":2}]' }
  push:send { "t", "no json" }
  local msg = pull:recv(5)
  eq(msg[1], "t")
  eq(sb.json.decode(msg[2]).via, "signalbox")
  eq(sb.json.decode(pull:recv(5)[2]).n, 1)
  eq(sb.json.decode(pull:recv(5)[2]).n, 2)
  eq(select(3, pull:recv(0.02)), "ETIMEDOUT")
end)
