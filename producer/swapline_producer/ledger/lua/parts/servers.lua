-- The servers that workers have met, by replication id: new after each start and promotion. Put after shared.lua.

local KEPT = 20 -- ids: a server also takes a new one when its first replica comes

-- Note the server that this move reaches; return since when it is known, 0 for the first that ever was.
local function met_at(server)
  local since = redis.call('ZSCORE', key('servers'), server)
  if since then return tonumber(since) end
  since = redis.call('EXISTS', key('servers')) == 1 and at or 0
  redis.call('ZADD', key('servers'), text(since), server)
  if redis.call('ZCARD', key('servers')) > KEPT then redis.call('ZPOPMIN', key('servers')) end
  return since
end

-- Milliseconds until attempts may be written. One that has taken another's place may lack the last writes, which workers
-- write again meanwhile.
local function settling(server, most)
  local left = met_at(server) + most - at
  return left <= most and left or 0 -- else the server's time was set back
end
