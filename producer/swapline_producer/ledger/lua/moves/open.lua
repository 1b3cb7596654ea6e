-- Read a job for a step, if the message has the job's version, and put off its rescue.
--
-- input.id, input.version
-- Returns {fields = {name, value, …}, waiting = whether jobs wait for a slot, in_flight = slots in use, of all accounts}, or {stale = true}.

-- Fraction of the rescue time that may be left without a write: the move that sent the message has put the rescue off,
-- and the worker that leases the job does so three times in that time.
local FRESH = 0.8

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'version', 'sent', 'state', 'canceling')
if have[1] ~= input.version then
  bump('stale:message')
  return answer({stale = true})
end
-- Count the poll that follows, unless the claim that sent it has. Finalize with the pictures in memory makes no such
-- call.
local asks = have[3] == 'RUNNING' and have[2] ~= have[1] or have[3] == 'STORING' and have[4] ~= 'drop'
if asks then bump('polls_begun') end
local due, rescue = tonumber(redis.call('ZSCORE', key('due'), input.id)), rescue_at()
if due and due < at + (rescue - at) * FRESH then set_due(input.id, rescue) end
local in_flight
if accounts() then
  use(redis.call('HGET', job, 'account') or 'default')
  in_flight = redis.call('ZCARD', key('state', 'SUBMITTING')) + redis.call('ZCARD', key('state', 'RUNNING'))
end
return answer({fields = redis.call('HGETALL', job), waiting = anyone_waits() or redis.call('EXISTS', own('refused')) == 1,
  in_flight = in_flight or redis.call('ZCARD', key('slots'))})
