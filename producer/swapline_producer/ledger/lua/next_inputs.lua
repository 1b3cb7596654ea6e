-- Read the records of the jobs that will probably get the next slots.
--
-- input.number   most records
-- Returns {records = {{name, value, …}, …}}.

local records = {}
for _, priority in ipairs(PRIORITIES) do
  local tenants = redis.call('ZRANGE', key('line', priority), 0, input.number - 1)
  for place = 0, input.number - 1 do
    for _, tenant in ipairs(tenants) do
      local id = #records < input.number and redis.call('ZRANGE', key('line', priority, tenant), place, place)[1]
      if id then records[#records + 1] = redis.call('HGETALL', key('job', id)) end
    end
  end
end
return answer({records = records})
