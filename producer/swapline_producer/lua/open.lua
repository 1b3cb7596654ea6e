-- A step takes a job in hand: its record, if the message's turn is still the job's. Its rescue is put off.
--
-- input.id, input.turn
-- Gives {fields = {name, value, …}, waiting = whether jobs wait for a slot}, or {stale = true}.

local job = key('job', input.id)
if redis.call('HGET', job, 'turn') ~= input.turn then return answer({stale = true}) end
redis.call('ZADD', key('due'), 'XX', 'GT', text(rescue_at()), input.id)
return answer({fields = redis.call('HGETALL', job), waiting = anyone_waits()})
