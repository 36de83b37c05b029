-- A live ticker: what publishers push reaches every browser that watches its topic.
local sb = require "signalbox"
local cfg = ...

local into = sb.pull { name = "into", bind = cfg.into or "tcp://*:5600" }
local feed = sb.pub  { name = "feed", bind = cfg.feed or "tcp://*:5601" } -- for subscribers that speak ZMTP

into:pipe(feed) -- [topic] [value]
