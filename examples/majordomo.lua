-- A Majordomo broker (RFC 7, MDP/0.1): clients ask services by name, workers offer them. Heartbeats both ways; a request whose
-- worker dies goes to another one; requests for a service without workers wait for one. Answers mmi.service (RFC 8).
local sb  = require "signalbox"
local cfg = ...

local CLIENT, WORKER = "MDPC01", "MDPW01"
local READY, REQUEST, REPLY, HEARTBEAT, DISCONNECT = "\1", "\2", "\3", "\4", "\5"
local interval = tonumber(cfg.heartbeat) or 2.5 -- between heartbeats
local liveness = 3                              -- missed ones that end a worker
local patience = tonumber(cfg.patience) or 60   -- how long a request may wait for a worker

local front = sb.router { name = "front", bind = cfg.front or "tcp://127.0.0.1:6041" } -- clients and workers alike

local services = {} -- name -> { idle = workers, requests = what waits }
local workers  = {} -- routing id -> { id, service, last, job }

local function service_named(name)
  services[name] = services[name] or { idle = {}, requests = {} }
  return services[name]
end

local function send(id, frames)
  local msg = sb.message(frames)
  msg.envelope = { id, "" }
  front:send(msg)
end

local function dispatch(service)
  while #service.idle > 0 and #service.requests > 0 do
    local worker, job = table.remove(service.idle, 1), table.remove(service.requests, 1)
    worker.job = job
    send(worker.id, { WORKER, REQUEST, job.client, "", table.unpack(job.body) })
  end
end

local function remove(list, item)
  for i, other in ipairs(list) do
    if other == item then return table.remove(list, i) end
  end
end

-- the worker is gone: what it had not finished goes first to the next one
local function forget(worker, why)
  workers[worker.id] = nil
  remove(worker.service.idle, worker)
  if worker.job then
    sb.log.notice("worker lost,", why, "- its request goes to another")
    table.insert(worker.service.requests, 1, worker.job)
    dispatch(worker.service)
  end
end

local function idle(worker)
  worker.job = nil
  table.insert(worker.service.idle, worker)
  dispatch(worker.service)
end

local commands = {
  [READY] = function(id, msg)
    if workers[id] then
      forget(workers[id], "it said READY twice")
      return send(id, { WORKER, DISCONNECT })
    end
    workers[id] = { id = id, service = service_named(msg[3]), last = sb.now() }
    idle(workers[id])
  end,
  [REPLY] = function(_, msg, worker)
    local frames = msg:frames()
    if worker.job and worker.job.client == frames[3] then
      send(frames[3], { CLIENT, worker.job.name, table.unpack(frames, 5) })
      idle(worker)
    end
  end,
  [HEARTBEAT] = function() end,
  [DISCONNECT] = function(_, _, worker) forget(worker, "it left") end,
}

local function from_worker(id, msg)
  local worker, command = workers[id], commands[msg[2]]
  if not command then return nil, "no command of MDP" end
  if worker then worker.last = sb.now() end
  if worker or msg[2] == READY then
    command(id, msg, worker)
  elseif msg[2] ~= DISCONNECT then
    send(id, { WORKER, DISCONNECT }) -- we do not know it: it shall begin anew
  end
end

local function is_served(name)
  for _, worker in pairs(workers) do
    if worker.service == services[name] then return true end
  end
end

local function from_client(id, msg)
  local name = msg[2]
  if name == "mmi.service" then
    return send(id, { CLIENT, name, is_served(msg[3]) and "200" or "404" })
  end
  local service = service_named(name)
  table.insert(service.requests,
    { client = id, name = name, body = table.pack(table.unpack(msg:frames(), 3)), expires = sb.now() + patience })
  dispatch(service)
end

front:on_message(function(msg)
  local id = msg.envelope[1]
  if msg:equals(1, WORKER) then return from_worker(id, msg) end
  if msg:equals(1, CLIENT) and #msg >= 3 then return from_client(id, msg) end
  return nil, "no message of MDP"
end)

-- a closed connection tells sooner than missing heartbeats
front:on_peer(function(event, peer)
  local worker = event == "disconnected" and peer and workers[peer.routing_id]
  if worker then forget(worker, "its connection closed") end
end)

sb.every(interval, function(exiting)
  local now = sb.now()
  for id, worker in pairs(workers) do
    if exiting then
      send(id, { WORKER, DISCONNECT })
    elseif now - worker.last > interval * liveness then
      forget(worker, "it is silent")
    else
      send(id, { WORKER, HEARTBEAT })
    end
  end
  for name, service in pairs(services) do
    while service.requests[1] and service.requests[1].expires < now do
      sb.log.warn("nobody serves", name)
      table.remove(service.requests, 1)
    end
  end
end)
