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

local meter, list, used_now = flat('meter'), {}, 0

local function add_slots(name, by) meter[name] = (meter[name] or 0) + by end

each_account(function(one)
  local slots, by = whole(own('level')), 'by:' .. one.name .. ':'
  if slots.now and at > tonumber(slots.since) then -- what the meter does not have yet
    local since, used, idle, why = at - slots.since, string.match(slots.now, '^(%d+) %d+ (%d+) (.+)$')
    for _, before in ipairs(accounts() and {'', by} or {''}) do
      add_slots(before .. 'used', since * used)
      add_slots(before .. 'idle:' .. why, since * idle)
    end
  end
  local used = redis.call('ZCARD', own('slots'))
  used_now = used_now + used
  list[#list + 1] = {name = one.name, limits = whole(own('limits')), breaker = breaker_shown(), used = used,
    spent = spent(accounts() and 'account:' .. one.name or 'all')}
end)

local jobs = {}
for _, state in ipairs(input.states) do jobs[state] = redis.call('ZCARD', key('state', state)) end
local oldest = redis.call('ZRANGE', key('state', 'QUEUED'), 0, 0, 'WITHSCORES')
local held = redis.call('ZRANGE', key('state', 'HELD'), 0, 0, 'WITHSCORES')
local due = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
local claimed = redis.call('ZRANGE', key('dispatchers'), -1, -1, 'WITHSCORES')

return answer({
  jobs = jobs, meter = meter, bounds = bounds, count = flat('count'), limits = flat('limits'), accounts = list,
  several = accounts() and true or false,
  store = flat('store'),
  used = used_now,
  oldest = tonumber(oldest[2]), oldest_held = tonumber(held[2]), due = redis.call('ZCARD', key('due')),
  polls_failing = redis.call('ZCOUNT', key('poll_failures'), text(at - FAILING_FOR), '+inf'),
  first_due = tonumber(due[2]), dispatchers = redis.call('ZCOUNT', key('dispatchers'), text(at - 60000), '+inf'),
  claimed = tonumber(claimed[2]), spent = spent('all'),
})
