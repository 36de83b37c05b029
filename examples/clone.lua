-- A key-value store that its clients hold a copy of (RFC 12, CHP): a client fetches a snapshot, then follows the updates, whose
-- numbers tell which of them the snapshot had already. Clients send changes; a "ttl" property makes one temporary.
local sb  = require "signalbox"
local cfg = ...

local snapshot = sb.router {
  name = "snapshot", bind = cfg.snapshot or "tcp://127.0.0.1:6051",
  on_full = "block", -- a large snapshot waits for a slow client, it does not lose keys
}
local publisher = sb.pub { name = "publisher", bind = cfg.publisher or "tcp://127.0.0.1:6052" }
local collector = sb.sub { name = "collector", bind = cfg.collector or "tcp://127.0.0.1:6053", subscribe = "" }

local store    = {} -- key -> { value, number, timer }
local sequence = 0
local quiet    = true -- nothing was published since the last HUGZ

local function number(n) return string.pack(">I8", n) end

local function publish(key, uuid, properties, value)
  sequence = sequence + 1
  quiet = false
  local old = store[key]
  if old and old.timer then old.timer:cancel() end
  store[key] = value ~= "" and { value = value, number = sequence } or nil
  publisher:send { key, number(sequence), uuid, properties, value }
  return store[key]
end

-- ICANHAZ? subtree: all keys below it, then KTHXBAI with the highest number. Updates that come while it is sent have higher
-- ones and reach the client on its other socket.
snapshot:on_message(function(msg)
  if not msg:equals(1, "ICANHAZ?") or #msg ~= 2 then return nil, "not ICANHAZ? and a subtree" end
  local envelope, subtree, latest, found = msg.envelope, msg[2], sequence, {}
  local function answer(frames)
    local m = sb.message(frames)
    m.envelope = envelope
    return snapshot:send(m)
  end
  for key, entry in pairs(store) do
    if key:sub(1, #subtree) == subtree then found[#found + 1] = { key, number(entry.number), "", "", entry.value } end
  end
  for _, frames in ipairs(found) do
    if not answer(frames) then return end -- it is gone
  end
  answer { "KTHXBAI", number(latest), "", "", subtree }
end)

-- KVSET: key, number (ours counts), UUID, properties, value; no value deletes
collector:on_message(function(msg)
  if #msg ~= 5 then return nil, "not a KVSET" end
  local key, _, uuid, properties, value = table.unpack(msg:frames())
  local entry = publish(key, uuid, properties, value)
  local ttl = tonumber(properties:match "ttl=([%d.]+)")
  if entry and ttl then entry.timer = sb.after(ttl, function() publish(key, "", "", "") end) end
end)

sb.every(1, function()
  if quiet then publisher:send { "HUGZ", number(0), "", "", "" } end
  quiet = true
end)
