-- A last-value cache: whoever subscribes, however late, first gets the last value of each of its topics, then what is new.
-- A value that is empty takes its topic out of the cache.
local sb  = require "signalbox"
local cfg = ...

local source = sb.sub { name = "source", bind = cfg.source or "tcp://127.0.0.1:6061", subscribe = "" }
local feed   = sb.xpub {
  name = "feed", bind = cfg.feed or "tcp://127.0.0.1:6062",
  retain = { last = 1, per = "topic", messages = 100000, bytes = "64m" },
  conflate_key = 1, -- a slow subscriber gets the newest value of each topic, not all that were in between
}

source:on_message(function(msg)
  feed:send(msg)
  if #msg > 1 and msg:size(2) == 0 then feed:forget(msg[1]) end
end)

sb.every(60, function(exiting)
  if not exiting then sb.log.info("topics kept:", feed:stats().retained_msgs) end
end)
