-- An endpoint accepted a delivery: it is forgotten, unless it was disabled meanwhile (only a person lifts that).
--
-- input.endpoint, input.lift    lift: a person says so
-- Gives {forgotten}: whether there was something to forget.

local name = key('endpoint', input.endpoint)
if not input.lift and redis.call('HEXISTS', name, 'disabled_at') == 1 then return answer({forgotten = false}) end
redis.call('ZREM', key('endpoints'), input.endpoint)
return answer({forgotten = redis.call('DEL', name) == 1})
