-- Who stands at the front of the line: the specs of the jobs that will probably be given the next slots. Reads only.
--
-- input.number   how many at most
-- Gives {specs = {JSON, …}}.

local specs = {}
for _, priority in ipairs(PRIORITIES) do
  local tenants = redis.call('ZRANGE', key('line', priority), 0, input.number - 1)
  for place = 0, input.number - 1 do
    for _, tenant in ipairs(tenants) do
      local id = #specs < input.number and redis.call('ZRANGE', key('line', priority, tenant), place, place)[1]
      if id then specs[#specs + 1] = redis.call('HGET', key('job', id), 'spec') end
    end
  end
end
return answer({specs = specs})
