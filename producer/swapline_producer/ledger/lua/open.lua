-- A step takes a job in hand: its record, if the message's turn is still the job's. Its rescue is put off.
--
-- input.id, input.version
-- Gives {fields = {name, value, …}, waiting = whether jobs wait for a slot, in_flight = slots in use}, or {stale = true}.

-- Most messages come at once, and find their job's rescue where the move that sent them has put it. Then nothing is
-- written, and nothing has to be flushed to the disk: whoever has a job in hand puts its rescue off, three times in that
-- time.
local FRESH = 0.8

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'version', 'sent', 'state', 'canceling')
if have[1] ~= input.version then
  bump('stale:message')
  return answer({stale = true})
end
-- The step that comes asks the vendor. A poll that a claim has sent was counted by it; whoever has the pictures of a job
-- in STORING in its memory begins without this call.
local asks = have[3] == 'RUNNING' and have[2] ~= have[1] or have[3] == 'STORING' and have[4] ~= 'drop'
if asks then bump('polls_begun') end
local due, rescue = tonumber(redis.call('ZSCORE', key('due'), input.id)), rescue_at()
if due and due < at + (rescue - at) * FRESH then set_due(input.id, rescue) end
return answer({fields = redis.call('HGETALL', job), waiting = anyone_waits() or redis.call('EXISTS', key('refused')) == 1,
  in_flight = redis.call('ZCARD', key('slots'))})
