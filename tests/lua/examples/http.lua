test("it answers, and ends the connection", function()
  local browser <close> = sb.stream { stream_notify = false }
  local web = browser:connect_peer "inproc://web"
  assert(web:send "GET /page HTTP/1.0\r\n")
  assert(web:send "\r\n")
  eq(browser:recv(5)[1], "HTTP/1.0 200 OK\r\nContent-Length: 20\r\n\r\nyou asked for /page\n")
  eventually(function() return browser:stats().peers == 0 end, "its end")
end)
