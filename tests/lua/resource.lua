-- Several services behind one port.
test("services share a port", function()
  local a <close> = sb.rep { bind = "tcp://127.0.0.1:*/a" }
  a:on_message(function(msg) return "a: " .. msg[1] end)
  local port = a.last_endpoint:match "^(.*)/a$"
  local b <close> = sb.router { bind = port .. "/b/c" }
  b:on_message(function(msg) return "b: " .. msg[1] end)
  eq(b.last_endpoint, port .. "/b/c")
  local ra <close> = sb.req { connect = a.last_endpoint }
  local rb <close> = sb.dealer { connect = b.last_endpoint }
  eq(ra:request("x", 5)[1], "a: x")
  eq(rb:request("y", 5)[1], "b: y")
  eq(#a:peers(), 1)
  eq(#b:peers(), 1)
  local taken, err, code = sb.rep { bind = port .. "/a" }
  eq(taken, nil)
  eq(code, "EADDRINUSE")
  local bad, text, name = sb.rep { bind = port .. "/a//b" }
  eq(name, "EINVAL")
  eq(text:find("bad resource", 1, true) ~= nil, true)
end)

test("an unknown service says so", function()
  local a <close> = sb.rep { bind = "tcp://127.0.0.1:*/a" }
  local why
  local req <close> = sb.req { linger = 0 }
  req:on_peer(function(event, _, info) if event == "handshake_failed_protocol" then why = info.detail end end)
  req:connect(a.last_endpoint .. "bc")
  eventually(function() return why end)
  eq(why, "peer says: no such resource")
end)
