-- Read the records of the jobs that will probably get the next slots.
--
-- input.number   most records
-- Returns {records = {{name, value, …}, …}}.

local records = {}
local function read_subline(in_subline)
  local tenants = redis.call('ZRANGE', key('line', in_subline), 0, input.number - 1)
  for place = 0, input.number - 1 do
    for _, tenant in ipairs(tenants) do
      local id = #records < input.number and redis.call('ZRANGE', key('line', in_subline, tenant), place, place)[1]
      if id then records[#records + 1] = redis.call('HGETALL', key('job', id)) end
    end
  end
end

for _, priority in ipairs(PRIORITIES) do
  read_subline(priority)
  for _, pool in ipairs(accounts() and pooled.pools() or {}) do
    if #records < input.number then read_subline(pooled.subline(priority, pool)) end
  end
end
return answer({records = records})
