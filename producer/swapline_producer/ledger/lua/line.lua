-- The waiting line and the vendor's slots: which job is next, and whether it may go. Put after breaker.lua.

local DAY = 86400000
local CREDITS_PER_JOB = 2
local PRIORITIES = {'high', 'normal', 'low'}
local PROBES = {PRIORITIES, {'low', 'normal', 'high'}, {'normal', 'low', 'high'}}
local TRIES = 100 -- attempts to take a job out of the line in one move at most: some milliseconds of the server's time
local RETURNS = 100 -- refused jobs that stand in line again in one move at most; a slot that stays free takes the next
local BURST = 100 -- ms that submissions may run ahead of their rate: dispatchers wake up some milliseconds late

local today = math.floor(at / DAY)
local line_opens_at -- after grant(): when a line that is stopped by a limit of time may move again

local function spent(who)
  return tonumber(redis.call('HGET', key('spent', text(today)), who) or 0)
end

-- Credits count as spent from the moment a slot is granted; what was not charged is subtracted again.
local function spend(tenant, credits, day)
  local name = key('spent', text(day or today))
  local is_new = redis.call('HINCRBY', name, 'all', credits) == credits
  redis.call('HINCRBY', name, 'tenant:' .. tenant, credits)
  if is_new then redis.call('PEXPIRE', name, 41 * DAY) end -- longer than a month, for the bill, and the day itself
end

-- Start-time fair queueing of jobs that cost the same: the tenant with the smallest start tag is served next, and one
-- that comes, comes back or was served gets a tag above all others. So a waiting tenant is passed over at most once by
-- each other tenant, and by none that came later.
local function to_the_end(priority, tenant)
  local last = redis.call('ZRANGE', key('line', priority), 0, 0, 'REV', 'WITHSCORES')
  redis.call('ZADD', key('line', priority), text((last[2] or 0) + 1), tenant)
end

local function join_line(id, priority, tenant, created_at)
  redis.call('ZADD', key('line', priority, tenant), 'NX', created_at, id)
  if redis.call('ZSCORE', key('line', priority), tenant) then return end
  if redis.call('ZSCORE', key('capped', priority), tenant) then return end
  to_the_end(priority, tenant)
end

local function leave_line(id, priority, tenant)
  redis.call('ZREM', key('refused'), id)
  redis.call('ZREM', key('line', priority, tenant), id)
  if redis.call('EXISTS', key('line', priority, tenant)) == 0 then
    redis.call('ZREM', key('line', priority), tenant)
    redis.call('ZREM', key('capped', priority), tenant)
  end
end

local function capped(tenant)
  local cap = tonumber(redis.call('HGET', key('caps'), tenant))
  return cap and spent('tenant:' .. tenant) + CREDITS_PER_JOB > cap
end

-- Tenants whose daily credits are spent leave the line until the day is over.
local function cap_tenant(priority, tenant)
  redis.call('ZREM', key('line', priority), tenant)
  redis.call('ZADD', key('capped', priority), text((today + 1) * DAY), tenant)
end

local function come_back(priority, tenant)
  redis.call('ZREM', key('capped', priority), tenant)
  if redis.call('EXISTS', key('line', priority, tenant)) == 1 then to_the_end(priority, tenant) end
end

local function new_day()
  if redis.call('EXISTS', key('capped', 'high'), key('capped', 'normal'), key('capped', 'low')) == 0 then return end
  for _, priority in ipairs(PRIORITIES) do
    local back = redis.call('ZRANGE', key('capped', priority), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, 100)
    for _, tenant in ipairs(back) do come_back(priority, tenant) end
  end
end

-- Return what give_slot needs of a job that may go. One whose time in the line is over may not: its entry in `due`
-- brings it to its end, uncharged.
local function may_go(id)
  local have = redis.call('HMGET', key('job', id), 'state', 'queue_until', 'created_at', 'version', 'attempts')
  return have[1] == 'QUEUED' and at < tonumber(have[2]) and have
end

local function pop_newest(waiting)
  local id = redis.call('ZRANGE', waiting, 0, 0, 'REV')[1]
  if id then redis.call('ZREM', waiting, id) end
  return id
end

-- The tenant that is next and its priority. While the breaker is open, one that was not refused last, if there is one.
local function next_tenant(priorities)
  local refused_last, last = breaker_of('tenant')
  for _, priority in ipairs(priorities) do
    local front = redis.call('ZRANGE', key('line', priority), 0, refused_last and 1 or 0)
    local tenant = front[1] == refused_last and front[2] or front[1]
    if tenant and tenant ~= refused_last then return tenant, priority end
    last = last or tenant and {tenant, priority}
  end
  if last then return unpack(last) end
end

-- Take the next job out of the line: by priority, then by its tenant's start tag, then the oldest. One that may not go
-- leaves its tenant where it is; a tenant that may not spend is capped, and nothing is taken. After two refusals in a
-- row each probe begins with another priority, and with the oldest or the newest, so that jobs refused for their own
-- sake, however many stand in front, do not hide the others.
local function take_next()
  local probe = math.max(0, breaker_number('trips') - 1)
  local tenant, priority = next_tenant(probe > 0 and PROBES[probe % #PROBES + 1] or PRIORITIES)
  if not tenant then return end
  if capped(tenant) then return cap_tenant(priority, tenant) end
  local waiting = key('line', priority, tenant)
  local id = probe % 2 == 0 and redis.call('ZPOPMIN', waiting)[1] or pop_newest(waiting)
  local have = id and may_go(id)
  if redis.call('EXISTS', key('line', priority, tenant)) == 0 then
    redis.call('ZREM', key('line', priority), tenant)
  elseif have then
    to_the_end(priority, tenant)
  end
  return have, id, tenant, priority
end

-- How many slots may be used now: the setting or what a person set, or less while the vendor said 429 lately.
local function usable_slots()
  local most = limit_of('slots', limit_of('max_in_flight', 3))
  local cap = limit_of('cap', most)
  if cap < most and at >= limit_of('grow_at', 0) then
    cap = cap + 1
    set_limits('cap', cap, 'grow_at', text(at + GROW_EVERY))
  end
  return math.min(most, cap)
end

-- What stops the line, if a limit of time does: breaker, rate or credits; sets line_opens_at then.
local function must_wait(opens_from)
  local rate, next_at = limit_of('submit_rate', 0), limit_of('next_submit_at', 0)
  if at < opens_from then
    line_opens_at = opens_from
    return 'breaker'
  elseif rate > 0 and next_at > at + BURST then
    line_opens_at = next_at - BURST
    return 'rate'
  elseif limit_of('credits_per_day') and spent('all') + CREDITS_PER_JOB > limit_of('credits_per_day') then
    line_opens_at = (today + 1) * DAY
    return 'credits'
  end
end

local function note_submission(tenant)
  spend(tenant, CREDITS_PER_JOB)
  local rate = limit_of('submit_rate', 0)
  if rate > 0 then
    local from = math.max(at, limit_of('next_submit_at', 0))
    set_limits('next_submit_at', text(from + 1000 / rate))
  end
end

local function give_slot(id, tenant, priority, have)
  local created_at, version, attempts = have[3], have[4] + 1, tonumber(have[5] or 0)
  redis.call('HSET', key('job', id), 'version', version, 'state', 'SUBMITTING', 'slot', '1', 'sent', version, 'token', '', 'spent_on', today)
  redis.call('ZADD', key('slots'), text(at), id)
  move(id, 'QUEUED', 'SUBMITTING')
  set_due(id, rescue_at())
  log(id, 'slot')
  note_submission(tenant)
  bump('waiting:' .. priority, -1)
  if attempts == 0 then time('wait', at - created_at) end
  return {id, version, attempts}
end

-- A refused job stands in line again.
local function stand_again(id)
  redis.call('ZREM', key('refused'), id)
  local have = redis.call('HMGET', key('job', id), 'state', 'priority', 'tenant', 'created_at')
  if have[1] == 'QUEUED' then join_line(id, have[2], have[3], have[4]) end
end

-- Those that were refused come back when the breaker is closed. Of unreadable inputs the first is tried again beside
-- others, which may need no store.
local function refused_return()
  if redis.call('EXISTS', key('refused')) == 0 then return end
  local most = RETURNS
  if is_refusing() then most = breaker_of('kind') == 'input' and at >= breaker_number('closed_until') and 1 or 0 end
  for _, id in ipairs(redis.call('ZRANGE', key('refused'), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, most)) do
    stand_again(id)
  end
end

-- Why no slot can be given out now: nothing where one can. Where nothing else waits, the job refused first tries again.
local function stopped()
  local waits = anyone_waits()
  local refused = not waits and redis.call('ZRANGE', key('refused'), 0, 0)[1]
  if not waits and not refused then return 'none' end
  local opens_from = waits and line_opens_from() or breaker_number('closed_until')
  local why = must_wait(opens_from) or (is_probing() and 'probe') or (store_stops() and 'store')
  if refused and not why then stand_again(refused) end
  return why
end

-- Why queued jobs are in no line that moves: their tenants' day is spent, they were refused for their own sake, or their
-- first message has not been read yet.
local function out_of_line()
  for _, priority in ipairs(PRIORITIES) do
    if redis.call('EXISTS', key('capped', priority)) == 1 then return 'tenant_credits' end
  end
  return at < breaker_number('paused_until') and 'refused' or 'unread'
end

-- Write the use of slots to the meter; a free slot is idle while a job could have it.
local function note_level(used, free, why)
  local idle = free > 0 and math.min(free, redis.call('ZCARD', key('state', 'QUEUED'))) or 0
  if idle == 0 then why = 'none' elseif why == 'none' then why = out_of_line() end
  level(used, math.max(0, free), idle, why)
end

-- Grant free slots to the next jobs; return {ID, version, attempts} of each. `unmoved`: this move has not changed slots or
-- line, so the meter changes only with a grant.
local function grant(unmoved)
  local granted, tries, why = {}, 0, 'none'
  local usable, used = usable_slots(), redis.call('ZCARD', key('slots'))
  if used < usable then
    new_day()
    refused_return()
  end
  while used < usable do
    why = stopped()
    if why then break end
    if tries == TRIES then
      line_opens_at, why = at, 'unread'
      break
    end
    local have, id, tenant, priority = take_next()
    tries = tries + 1
    if have then
      granted[#granted + 1] = give_slot(id, tenant, priority, have)
      used = used + 1
    end
  end
  if not unmoved or #granted > 0 then note_level(used, usable - used, why) end
  return granted
end

-- Note one more waiting job in a move that grants no slots: the slots are as the last move wrote them.
local function one_more_waits()
  local free, why = string.match(redis.call('HGET', key('level'), 'now') or '', '^%d+ (%d+) %d+ (.+)$')
  if free == '0' then return end
  local used = redis.call('ZCARD', key('slots'))
  note_level(used, tonumber(free or usable_slots() - used), why or 'none')
end
