-- The store's breaker: while results cannot be stored nothing new is submitted. Put before line.lua.
--
-- P:store  hash  from the first result that could not be stored until one is: since, failed_at, reason; open, 1 until a
--                probe was stored and 0 after it; trips, how often it opened; probe_at, when the next probe may be made

local FIRST_PROBE, LAST_PROBE = 1000, 60000 -- ms until a probe is made; doubled each time that a result fails after one
local FORGOTTEN = 60000 -- ms after a stored probe, without a failure, in which the breaker closes by itself

local function trip_store(reason)
  local name = key('store')
  redis.call('HSETNX', name, 'since', text(at))
  if redis.call('HGET', name, 'open') ~= '1' then
    local wait = FIRST_PROBE * 2 ^ (redis.call('HINCRBY', name, 'trips', 1) - 1)
    redis.call('HSET', name, 'open', '1', 'probe_at', text(at + math.min(wait, LAST_PROBE)))
    redis.call('PERSIST', name)
  end
  redis.call('HSET', name, 'reason', reason, 'failed_at', text(at))
end

-- A result was stored. Returns whether that closes the breaker.
local function close_store() return redis.call('DEL', key('store')) == 1 end

-- Whether the breaker stops the line. After a stored probe one job goes first, and the others when its result is stored.
local function store_stops()
  local open = redis.call('HGET', key('store'), 'open')
  if open ~= '0' then return open == '1' end
  return redis.call('ZCARD', key('state', 'SUBMITTING')) + redis.call('ZCARD', key('state', 'RUNNING')) > 0
end
