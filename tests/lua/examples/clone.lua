local function number(frame) return (string.unpack(">I8", frame)) end

local function snapshot(subtree)
  local s <close> = sb.dealer { connect = "inproc://snapshot" }
  s:send { "ICANHAZ?", subtree }
  local got = {}
  while true do
    local f = assert(s:recv_all(5))
    if f[1] == "KTHXBAI" then
      eq(f[5], subtree)
      return got, number(f[2])
    end
    got[f[1]] = f[5]
  end
end

local function set(pub, key, value, properties) pub:send { key, ("\0"):rep(8), "", properties or "", value } end

-- the next update that is no heartbeat
local function update(sub)
  while true do
    local f = assert(sub:recv_all(5))
    if f[1] ~= "HUGZ" then return f end
  end
end

test("snapshot and updates fit together", function()
  local pub <close> = sb.pub { connect = "inproc://collector" }
  local sub <close> = sb.sub { connect = "inproc://publisher", subscribe = "" }
  assert(sub:subscribe("", { confirm = true, timeout = 5 }))
  eventually(function() return pub:stats().subscriptions == 1 end)
  set(pub, "/a/1", "one")
  set(pub, "/a/2", "two")
  set(pub, "/b/1", "three")
  for i = 1, 3 do eq(number(update(sub)[2]), i) end
  local got, latest = snapshot "/a/"
  eq(latest, 3)
  eq(got["/a/1"], "one")
  eq(got["/a/2"], "two")
  eq(got["/b/1"], nil)
  set(pub, "/a/1", "")
  local f = update(sub)
  eq(f[1], "/a/1")
  eq(number(f[2]), 4)
  eq(f[5], "")
  eq(snapshot("")["/a/1"], nil)
end)

test("what has a lifetime goes by itself", function()
  local pub <close> = sb.pub { connect = "inproc://collector" }
  local sub <close> = sb.sub { connect = "inproc://publisher", subscribe = "/t" }
  eventually(function() return pub:stats().subscriptions == 1 and sub:stats().peers == 1 end)
  sb.sleep(0.05)
  set(pub, "/t/1", "brief", "ttl=0.1\n")
  eq(update(sub)[5], "brief")
  eq(snapshot("/t/")["/t/1"], "brief")
  eq(update(sub)[5], "")
  eq(snapshot("/t/")["/t/1"], nil)
end)

test("a large snapshot loses nothing", function()
  local pub <close> = sb.pub { connect = "inproc://collector", sndhwm = 0 }
  eventually(function() return pub:stats().subscriptions == 1 end)
  for i = 1, 3000 do set(pub, "/large/" .. i, tostring(i)) end
  local n = 0
  eventually(function()
    n = 0
    for _ in pairs((snapshot "/large/")) do n = n + 1 end
    return n == 3000
  end)
end)
