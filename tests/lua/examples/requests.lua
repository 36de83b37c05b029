test("two services, one answer", function()
  local price <close> = sb.rep { bind = "inproc://price" }
  price:on_message(function(msg) return "12.50" end)
  local client <close> = sb.req { connect = "inproc://front" }
  local answer = client:request("chair", 5)
  eq(table.concat(answer:frames(), "|"), "chair|12.50|unknown")
  local stock <close> = sb.rep { bind = "inproc://stock" }
  stock:on_message(function(msg) return "7" end)
  answer = client:request("table", 5)
  eq(table.concat(answer:frames(), "|"), "table|12.50|7")
end)
