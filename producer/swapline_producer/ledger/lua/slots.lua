-- The account as it is used now. Reads only.
--
-- Returns {limits = {name = value}, breaker = see breaker.lua, store = see store.lua, in_flight = {ID, …}, waiting}.

local function flat(name)
  local got, all = redis.call('HGETALL', key(name)), {}
  for i = 1, #got, 2 do all[got[i]] = got[i + 1] end
  return all
end

return answer({limits = flat('limits'), breaker = breaker_shown(), store = flat('store'),
  in_flight = redis.call('ZRANGE', key('slots'), 0, -1), waiting = redis.call('ZCARD', key('state', 'QUEUED'))})
