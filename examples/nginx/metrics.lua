-- Numbers for Prometheus: Signalbox's own come by themselves, a script adds its own.
local sb = require "signalbox"
local cfg = ...

local orders = sb.pull { name = "orders", bind = cfg.orders or "tcp://*:5661" }
local work   = sb.push { name = "work",   bind = cfg.work or "tcp://*:5662" }
local taken  = sb.metrics { counter = "shop_orders_total", help = "orders taken" }
local size   = sb.metrics { gauge = "shop_last_order_bytes" }

orders:pipe(work, function(msg)
  taken:add()
  size:set(msg:size(1))
  return msg
end)
