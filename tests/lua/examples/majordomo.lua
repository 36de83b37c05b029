local function worker(service)
  local s = sb.dealer { connect = "inproc://front" }
  s:send { "", "MDPW01", "\1", service }
  return s
end

-- the next command that is no heartbeat; without the empty frame in front
local function command(s)
  while true do
    local msg = assert(s:recv(5))
    eq(msg[1], "MDPW01")
    if msg[2] ~= "\4" then return msg:frames() end
  end
end

local function answer(s, request, text) s:send { "", "MDPW01", "\3", request[3], "", text } end

local function client()
  return sb.req { connect = "inproc://front" }
end

test("a request finds the service it names", function()
  local echo <close> = worker "echo"
  local other <close> = worker "other"
  local c <close> = client()
  eq(table.concat(c:request({ "MDPC01", "mmi.service", "echo" }, 5):frames(), "|"), "MDPC01|mmi.service|200")
  eq(c:request({ "MDPC01", "mmi.service", "nobody" }, 5)[3], "404")
  sb.spawn(function()
    local request = command(echo)
    eq(request[2], "\2")
    eq(request[5], "hello")
    answer(echo, request, "hello back")
  end)
  eq(table.concat(c:request({ "MDPC01", "echo", "hello" }, 5):frames(), "|"), "MDPC01|echo|hello back")
end)

test("a request waits for a worker, and goes on when one dies", function()
  local c <close> = client()
  local reply
  sb.spawn(function() reply = c:request({ "MDPC01", "late", "job" }, 10) end)
  local first = worker "late"
  eq(command(first)[5], "job")
  first:close() -- dies with the job
  local second <close> = worker "late"
  local request = command(second)
  eq(request[5], "job")
  answer(second, request, "done")
  eventually(function() return reply end)
  eq(reply[3], "done")
end)

test("heartbeats come, and who is unknown is told so", function()
  local s <close> = sb.dealer { connect = "inproc://front" }
  s:send { "", "MDPW01", "\4" }
  eq(command(s)[2], "\5")
  local w <close> = worker "beat"
  eq(w:recv(5)[2], "\4")
  w:send { "", "MDPW01", "\1", "beat" } -- READY twice
  eq(command(w)[2], "\5")
end)

test("what is no MDP does no harm", function()
  local s <close> = sb.dealer { connect = "inproc://front" }
  s:send { "", "HTTP" }
  s:send { "", "MDPW01", "\9" }
  s:send { "", "MDPC01" }
  s:send { "", "MDPC01", "mmi.service", "echo" }
  eq(s:recv(5)[1], "MDPC01")
end)
