-- The system in numbers, all of one moment. Reads only, and costs the same however many jobs there are.
--
-- input.states   whose jobs to count; input.times   names of histograms whose bounds to give
-- Returns what `Figures` in contract/jobs/stats.py has; fields of P:count and P:meter as they are.

local function flat(name)
  local got, all = redis.call('HGETALL', key(name)), {}
  for i = 1, #got, 2 do all[got[i]] = got[i + 1] end
  return all
end

local bounds = {}
for _, name in ipairs(input.times) do bounds[name] = bounds_of(name) end

local meter, slots = flat('meter'), flat('level')
if slots.now and at > tonumber(slots.since) then -- what has not gone to the account yet
  local since, used, idle, why = at - slots.since, string.match(slots.now, '^(%d+) %d+ (%d+) (.+)$')
  meter.used = (meter.used or 0) + since * used
  meter['idle:' .. why] = (meter['idle:' .. why] or 0) + since * idle
end

local jobs = {}
for _, state in ipairs(input.states) do jobs[state] = redis.call('ZCARD', key('state', state)) end
local oldest = redis.call('ZRANGE', key('state', 'QUEUED'), 0, 0, 'WITHSCORES')
local held = redis.call('ZRANGE', key('state', 'HELD'), 0, 0, 'WITHSCORES')
local due = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
local claimed = redis.call('ZRANGE', key('dispatchers'), -1, -1, 'WITHSCORES')

return answer({
  jobs = jobs, meter = meter, bounds = bounds, count = flat('count'), limits = flat('limits'), breaker = breaker_shown(),
  store = flat('store'),
  used = redis.call('ZCARD', key('slots')),
  oldest = tonumber(oldest[2]), oldest_held = tonumber(held[2]), due = redis.call('ZCARD', key('due')),
  polls_failing = redis.call('ZCOUNT', key('poll_failures'), text(at - FAILING_FOR), '+inf'),
  first_due = tonumber(due[2]), dispatchers = redis.call('ZCOUNT', key('dispatchers'), text(at - 60000), '+inf'),
  claimed = tonumber(claimed[2]), spent = spent('all'),
})
