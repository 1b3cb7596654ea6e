-- Where a job stands in the waiting line. Reads only; costs the same however many jobs wait.
--
-- input.id
-- Gives {slots, used, waiting}, and {position} for a job that stands in a line that moves: how many jobs probably go
-- before it, and one. Tenants take turns (line.lua), so of another tenant as many go first as of the job's own.

local MOST_TENANTS = 500 -- looked at, in the order of their turns; others count as having nothing in front

local have = redis.call('HMGET', key('job', input.id), 'state', 'priority', 'tenant')
local most = limit_of('slots', limit_of('max_in_flight', 3))
local result = {slots = math.min(most, limit_of('cap', most)), used = redis.call('ZCARD', key('slots'))}
if have[1] ~= 'QUEUED' then return answer(result) end

local priority, tenant = have[2], have[3]
local rank = redis.call('ZRANK', key('line', priority, tenant), input.id)
local own_place = redis.call('ZRANK', key('line', priority), tenant)
if not rank or not own_place then return answer(result) end

local before = rank
for _, other in ipairs({'high', 'normal', 'low'}) do
  if other == priority then break end
  before = before + math.max(0, tonumber(redis.call('HGET', key('meter'), 'waiting:' .. other) or 0))
end
for place, other in ipairs(redis.call('ZRANGE', key('line', priority), 0, MOST_TENANTS - 1)) do
  if other ~= tenant then
    local chances = place - 1 < own_place and rank + 1 or rank
    before = before + math.min(chances, redis.call('ZCARD', key('line', priority, other)))
  end
end
result.position = before + 1
return answer(result)
