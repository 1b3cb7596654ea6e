-- Put off the rescue of the jobs that a living worker has leased.
--
-- input.jobs {{ID, version}, …}
-- Returns {renewed}.

local renewed, until_then = 0, text(rescue_at())
for _, pair in ipairs(input.jobs) do
  if redis.call('HGET', key('job', pair[1]), 'version') == pair[2] then
    renewed = renewed + redis.call('ZADD', key('due'), 'XX', 'GT', 'CH', until_then, pair[1])
  end
end
return answer({renewed = renewed})
