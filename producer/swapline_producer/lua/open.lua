-- A step takes a job in hand: its record, if the message's turn is still the job's. Its rescue is put off.
--
-- input.id, input.turn
-- Gives {fields = {name, value, …}, waiting = whether jobs wait for a slot, in_flight = slots in use}, or {stale = true}.

-- A message that comes at once finds its job's rescue where the move that sent it has put it. What is not written need
-- not be flushed to the disk; whoever has a job in hand puts its rescue off from then on, after a third of that time.
local FRESH = 0.8

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'turn', 'state', 'staged', 'vendor_job_id', 'canceling')
local wants_look = have[2] == 'RUNNING' or have[2] == 'STORING' and tonumber(have[3] or 0) == 0 and have[5] ~= 'drop'
if have[1] ~= input.turn then
  bump('stale:message')
  return answer({stale = true})
end
if have[4] and wants_look then bump('looks_begun') end -- the step that comes asks the vendor
local due = tonumber(redis.call('ZSCORE', key('due'), input.id))
if due and due < at + (rescue_at() - at) * FRESH then redis.call('ZADD', key('due'), text(rescue_at()), input.id) end
return answer({fields = redis.call('HGETALL', job), waiting = anyone_waits(),
  in_flight = redis.call('ZCARD', key('slots'))})
