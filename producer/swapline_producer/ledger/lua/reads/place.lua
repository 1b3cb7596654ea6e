-- Where a job stands in the waiting line. Reads only; costs the same however many jobs wait.
--
-- input.id
-- Returns {slots, used}, and {position} for a job in the line: the jobs that probably go before it, plus one. Tenants
-- alternate (line.lua), so of another tenant as many go first as of the job's own.

local MOST_TENANTS = 500 -- read, in their order; others count as having no jobs before it

local have = redis.call('HMGET', key('job', input.id), 'state', 'priority', 'tenant')
local pool, result = accounts() and pooled.place(input.id) or '', {slots = 0, used = 0}
each_account(function(one)
  if accounts() and (not pooled.serves(one, pool) or own_limit('drained', 0) > 0) then return end
  local most = own_limit('slots', own_limit('max_in_flight', 3))
  result.slots = result.slots + math.min(most, own_limit('cap', most))
  result.used = result.used + redis.call('ZCARD', own('slots'))
end)
if have[1] ~= 'QUEUED' then return answer(result) end

local priority, tenant = have[2], have[3]
local in_subline = accounts() and pooled.subline(priority, pool) or priority
local rank = redis.call('ZRANK', key('line', in_subline, tenant), input.id)
local own_place = redis.call('ZRANK', key('line', in_subline), tenant)
if not rank or not own_place then return answer(result) end

local before = rank
for _, other in ipairs({'high', 'normal', 'low'}) do
  if other == priority then break end
  before = before + math.max(0, tonumber(redis.call('HGET', key('meter'), 'waiting:' .. other) or 0))
end
for place, other in ipairs(redis.call('ZRANGE', key('line', in_subline), 0, MOST_TENANTS - 1)) do
  if other ~= tenant then
    local chances = place - 1 < own_place and rank + 1 or rank
    before = before + math.min(chances, redis.call('ZCARD', key('line', in_subline, other)))
  end
end
result.position = before + 1
return answer(result)
