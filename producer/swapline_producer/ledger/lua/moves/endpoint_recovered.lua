-- An endpoint accepted a delivery: forget it, unless it was disabled meanwhile (only a person lifts that).
--
-- input.endpoint, input.lift    lift: also a disabled one
-- Returns {forgotten}: whether it was known.

local name = key('endpoint', input.endpoint)
if not input.lift and redis.call('HEXISTS', name, 'disabled_at') == 1 then return answer({forgotten = false}) end
redis.call('ZREM', key('endpoints'), input.endpoint)
return answer({forgotten = redis.call('DEL', name) == 1})
