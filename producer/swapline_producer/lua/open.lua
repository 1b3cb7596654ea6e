-- A step takes a job in hand: its record, if the message's turn is still the job's. Its rescue is put off.
--
-- input.id, input.turn
-- Gives {fields = {name, value, …}, waiting = whether jobs wait for a slot, in_flight = slots in use}, or {stale = true}.

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'turn', 'state', 'staged', 'vendor_job_id', 'canceling')
if have[1] ~= input.turn then
  bump('stale:message')
  return answer({stale = true})
end
local wanted = have[2] == 'STORING' and tonumber(have[3] or 0) == 0 and have[5] ~= 'drop'
if have[4] and (have[2] == 'RUNNING' or wanted) then bump('looks_begun') end -- the step that comes asks the vendor
redis.call('ZADD', key('due'), 'XX', 'GT', text(rescue_at()), input.id)
return answer({fields = redis.call('HGETALL', job), waiting = anyone_waits(),
  in_flight = redis.call('ZCARD', key('slots'))})
