-- Bring waiting jobs of a tenant to the sublines of the accounts that it may use now.
--
-- input.tenant, input.priority
-- input.pool             where they wait
-- input.skip, input.limit    places of that subline to pass over, and most jobs to read
-- Returns {read, moved}: repeat until nothing is read. Jobs of a request that names its account, and those that may have
-- been charged, stay.

local from, moved = accounts() and pooled.subline(input.priority, input.pool), 0
local ids = from and redis.call('ZRANGE', key('line', from, input.tenant), input.skip, input.skip + input.limit - 1) or {}
for _, id in ipairs(ids) do
  local created_at = redis.call('HGET', key('job', id), 'created_at')
  if created_at and pooled.choose(id) ~= input.pool then
    redis.call('ZREM', key('line', from, input.tenant), id)
    join_line(id, input.priority, input.tenant, created_at)
    moved = moved + 1
  end
end
if moved > 0 and redis.call('EXISTS', key('line', from, input.tenant)) == 0 then
  redis.call('ZREM', key('line', from), input.tenant)
  redis.call('ZREM', key('capped', from), input.tenant)
  pooled.tidy(from)
end
return answer({read = #ids, moved = moved})
