-- The waiting line and the vendor's slots: which job is next, and whether it may go. Put after breaker.lua.

local DAY = 86400000
local CREDITS_PER_JOB = 2
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
  if accounts() then
    local of_account = 'account:' .. (account or 'default')
    redis.call('HINCRBY', name, of_account, credits)
    redis.call('HINCRBY', name, of_account .. ':tenant:' .. tenant, credits)
  end
  if is_new then redis.call('PEXPIRE', name, 41 * DAY) end -- longer than a month, for the bill, and the day itself
end

-- Start-time fair queueing of jobs that cost the same: the tenant with the smallest start tag is served next, and one
-- that comes, comes back or was served gets a tag above all others. So a waiting tenant is passed over at most once by
-- each other tenant, and by none that came later.
local function to_the_end(in_subline, tenant)
  local last = redis.call('ZRANGE', key('line', in_subline), 0, 0, 'REV', 'WITHSCORES')[2] or 0
  if not accounts() then
    redis.call('ZADD', key('line', in_subline), text(last + 1), tenant)
    return
  end
  local priority = string.match(in_subline, '^%l+') -- tags count over all pools, so that heads can be compared
  local tag = redis.call('HINCRBY', key('served'), priority, 1)
  if tag <= tonumber(last) then
    tag = last + 1
    redis.call('HSET', key('served'), priority, text(tag))
  end
  redis.call('ZADD', key('line', in_subline), text(tag), tenant)
  for _, other in ipairs(sublines_of(priority)) do -- its share is one, in however many sublines it waits
    if other ~= in_subline then redis.call('ZADD', key('line', other), 'XX', text(tag), tenant) end
  end
end

local function join_line(id, priority, tenant, created_at)
  local in_subline = accounts() and pooled.subline(priority, pooled.choose(id)) or priority
  redis.call('ZADD', key('line', in_subline, tenant), 'NX', created_at, id)
  if redis.call('ZSCORE', key('line', in_subline), tenant) then return end
  if redis.call('ZSCORE', key('capped', in_subline), tenant) then return end
  to_the_end(in_subline, tenant)
end

local function leave_line(id, priority, tenant)
  local in_subline = priority
  redis.call('ZREM', key('refused'), id)
  if accounts() then
    local pool, refused_by = pooled.place(id)
    if refused_by and refused_by ~= 'default' then redis.call('ZREM', key('refused', refused_by), id) end
    in_subline = pooled.subline(priority, pool)
  end
  redis.call('ZREM', key('line', in_subline, tenant), id)
  if redis.call('EXISTS', key('line', in_subline, tenant)) == 1 then return end
  redis.call('ZREM', key('line', in_subline), tenant)
  redis.call('ZREM', key('capped', in_subline), tenant)
  if accounts() then pooled.tidy(in_subline) end
end

local function capped(tenant)
  local cap = tonumber(redis.call('HGET', key('caps'), tenant))
  return cap and spent('tenant:' .. tenant) + CREDITS_PER_JOB > cap
end

-- Tenants whose daily credits are spent leave the line until the day is over.
local function cap_tenant(in_subline, tenant)
  redis.call('ZREM', key('line', in_subline), tenant)
  redis.call('ZADD', key('capped', in_subline), text((today + 1) * DAY), tenant)
end

local function come_back(in_subline, tenant)
  redis.call('ZREM', key('capped', in_subline), tenant)
  if redis.call('EXISTS', key('line', in_subline, tenant)) == 1 then to_the_end(in_subline, tenant) end
end

local function new_day()
  if not accounts() and redis.call('EXISTS', key('capped', 'high'), key('capped', 'normal'), key('capped', 'low')) == 0 then return end
  for _, priority in ipairs(PRIORITIES) do
    for _, in_subline in ipairs(sublines_of(priority)) do
      local back = redis.call('ZRANGE', key('capped', in_subline), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, 100)
      for _, tenant in ipairs(back) do come_back(in_subline, tenant) end
    end
  end
end

-- Return what give_slot needs of a job that may go. One whose time in the line is over may not: its entry in `due`
-- brings it to its end, uncharged.
local function may_go(id)
  local have = redis.call('HMGET', key('job', id), 'state', 'queue_until', 'created_at', 'version', 'attempts')
  return have[1] == 'QUEUED' and at < tonumber(have[2]) and have
end

-- Whether the account has the version of a job that stood in line before this account was named, or its versions changed.
local function speaks(id)
  if not accounts() or (whole(key('limits')).partial or '') == '' then return true end
  return pooled.serves(pooled.named(account or 'default'), pooled.pool_of(id))
end

local function pop_newest(waiting)
  local id = redis.call('ZRANGE', waiting, 0, 0, 'REV')[1]
  if id then redis.call('ZREM', waiting, id) end
  return id
end

-- The tenant that is next, its subline and priority: of the sublines that the account may take jobs from, the smallest
-- start tag. While the breaker is open, one that was not refused last, if there is one.
local function next_tenant(priorities)
  local refused_last, last = breaker_of('tenant')
  for _, priority in ipairs(priorities) do
    local tenant, lowest, place
    for _, in_subline in ipairs(sublines_of(priority)) do
      local front = redis.call('ZRANGE', key('line', in_subline), 0, refused_last and 1 or 0, 'WITHSCORES')
      local first = refused_last and front[1] == refused_last and 3 or 1
      if first == 3 then last = last or {refused_last, in_subline, priority} end
      if front[first] and (not tenant or tonumber(front[first + 1]) < lowest) then
        tenant, lowest, place = front[first], tonumber(front[first + 1]), in_subline
      end
    end
    if tenant then return tenant, place, priority end
  end
  if last then return unpack(last) end
end

-- Take the next job out of the line: by priority, then by its tenant's start tag, then the oldest. One that may not go
-- leaves its tenant where it is; a tenant that may not spend is capped, and nothing is taken; one whose version the
-- account lacks is brought to the subline of those that have it. After two refusals in a
-- row each probe begins with another priority, and with the oldest or the newest, so that jobs refused for their own
-- sake, however many stand in front, do not hide the others.
local function take_next()
  local probe = math.max(0, breaker_number('trips') - 1)
  local tenant, in_subline, priority = next_tenant(probe > 0 and PROBES[probe % #PROBES + 1] or PRIORITIES)
  if not tenant then return end
  if capped(tenant) then return cap_tenant(in_subline, tenant) end
  local waiting = key('line', in_subline, tenant)
  local id = probe % 2 == 0 and redis.call('ZPOPMIN', waiting)[1] or pop_newest(waiting)
  local have = id and may_go(id)
  if redis.call('EXISTS', key('line', in_subline, tenant)) == 0 then
    redis.call('ZREM', key('line', in_subline), tenant)
    if accounts() then pooled.tidy(in_subline) end
  elseif have then
    to_the_end(in_subline, tenant)
  end
  if have and not speaks(id) then
    join_line(id, priority, tenant, have[3])
    have = false
  end
  return have, id, tenant, priority
end

-- How many slots may be used now: the setting or what a person set, or less while the vendor said 429 lately.
local function usable_slots()
  if own_limit('drained', 0) > 0 then return 0 end
  local most = own_limit('slots', own_limit('max_in_flight', 3))
  local cap = own_limit('cap', most)
  if cap < most and at >= own_limit('grow_at', 0) then
    cap = cap + 1
    set_limits('cap', cap, 'grow_at', text(at + GROW_EVERY))
  end
  return math.min(most, cap)
end

-- What stops the line, if a limit of time does: breaker, rate or credits; sets line_opens_at then.
local function must_wait(opens_from)
  local rate, next_at = own_limit('submit_rate', 0), own_limit('next_submit_at', 0)
  local per_day = own_limit('credits_per_day')
  if at < opens_from then
    line_opens_at = math.min(line_opens_at or opens_from, opens_from)
    return 'breaker'
  elseif rate > 0 and next_at > at + BURST then
    line_opens_at = math.min(line_opens_at or next_at, next_at - BURST)
    return 'rate'
  elseif per_day and spent(accounts() and 'account:' .. (account or 'default') or 'all') + CREDITS_PER_JOB > per_day then
    line_opens_at = line_opens_at or (today + 1) * DAY -- later than anything else
    return 'credits'
  end
end

local function note_submission(tenant)
  spend(tenant, CREDITS_PER_JOB)
  local rate = own_limit('submit_rate', 0)
  if rate > 0 then
    local from = math.max(at, own_limit('next_submit_at', 0))
    set_limits('next_submit_at', text(from + 1000 / rate))
  end
end

local function give_slot(id, tenant, priority, have)
  local created_at, version, attempts = have[3], have[4] + 1, tonumber(have[5] or 0)
  redis.call('HSET', key('job', id), 'version', version, 'state', 'SUBMITTING', 'slot', '1', 'sent', version, 'token', '', 'spent_on', today)
  if accounts() then redis.call('HSET', key('job', id), 'account', account or 'default') end
  redis.call('ZADD', own('slots'), text(at), id)
  move(id, 'QUEUED', 'SUBMITTING')
  set_due(id, rescue_at())
  log(id, 'slot', accounts() and cjson.encode({account = account or 'default'}))
  note_submission(tenant)
  bump('waiting:' .. priority, -1)
  if attempts == 0 then time('wait', at - created_at) end
  return {id, version, attempts, account}
end

-- A refused job stands in line again.
local function stand_again(id)
  redis.call('ZREM', own('refused'), id)
  local have = redis.call('HMGET', key('job', id), 'state', 'priority', 'tenant', 'created_at')
  if have[1] == 'QUEUED' then join_line(id, have[2], have[3], have[4]) end
end

-- Those that were refused come back when the breaker is closed. Of unreadable inputs the first is tried again beside
-- others, which may need no store.
local function refused_return()
  if redis.call('EXISTS', own('refused')) == 0 then return end
  local most = RETURNS
  if is_refusing() then most = breaker_of('kind') == 'input' and at >= breaker_number('closed_until') and 1 or 0 end
  for _, id in ipairs(redis.call('ZRANGE', own('refused'), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, most)) do
    stand_again(id)
  end
end

-- Where nothing waits for an account that is well: have the first job stand in line again that waits for another one,
-- which refused it, and that this one may take. Whether there was one. An unreadable input is so for all accounts.
local function take_over_refused()
  if not accounts() or is_refusing() then return false end
  local here, list, names, found = account or 'default', pooled.list(), {}, false
  for _, one in ipairs(list) do names[#names + 1] = one.name == 'default' and key('refused') or key('refused', one.name) end
  if redis.call('EXISTS', unpack(names)) == 0 then return false end
  local function take_over(other)
    use(other)
    if other == here or breaker_of('kind') == 'input' then return end
    for _, id in ipairs(redis.call('ZRANGE', own('refused'), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, RETURNS)) do
      if pooled.serves(pooled.named(here), pooled.pool_of(id)) then
        stand_again(id)
        return true
      end
    end
  end
  for _, one in ipairs(list) do found = found or take_over(one.name) end
  use(here)
  return found
end

-- Why no slot can be given out now: nothing where one can. Where nothing else waits, the job refused first tries again.
local function stopped()
  local waits = anyone_waits() or take_over_refused()
  local refused = not waits and redis.call('ZRANGE', own('refused'), 0, 0)[1]
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
    for _, in_subline in ipairs(sublines_of(priority)) do
      if redis.call('EXISTS', key('capped', in_subline)) == 1 then return 'tenant_credits' end
    end
  end
  return at < breaker_number('paused_until') and 'refused' or 'unread'
end

-- Write the use of the account's slots to the meter; a free slot is idle while a job could have it. Of several accounts
-- one has nothing to do where no job of its sublines waits.
local function note_level(used, free, why)
  local idle = free > 0 and math.min(free, redis.call('ZCARD', key('state', 'QUEUED'))) or 0
  if accounts() then
    if why == 'none' then idle = 0 end
    local name = account or 'default'
    if free > 0 and why == 'none' then
      redis.call('ZADD', key('free'), free * pooled.named(name).weight, name)
    else
      redis.call('ZREM', key('free'), name)
    end
  end
  if idle == 0 then why = 'none' elseif why == 'none' then why = out_of_line() end
  level(used, math.max(0, free), idle, why)
end

local ONLY = {{name = 'default', weight = 1}}

-- Grant free slots of the accounts to the next jobs; return {ID, version, attempts, account} of each. Of several accounts
-- with free slots, the one with the most for its weight is next. `unmoved`: this move has not changed slots or line, so
-- the meter changes only with a grant. `names` {NAME = true}: these accounts only.
local function grant(unmoved, names)
  local granted, list, tries = {}, {}, 0
  local these = ONLY
  if names then
    these = {}
    for name in pairs(names) do these[#these + 1] = pooled.named(name) end
  elseif accounts() then
    these = pooled.list()
  end
  for _, one in ipairs(these) do
    use(one.name)
    local usable, used = usable_slots(), redis.call('ZCARD', own('slots'))
    list[#list + 1] = {name = one.name, weight = one.weight, usable = usable, used = used, before = used, why = 'none'}
    if used < usable then
      new_day()
      refused_return()
    end
  end
  while true do
    local here, most
    for _, one in ipairs(list) do
      local free = (one.usable - one.used) * one.weight
      if not one.stopped and free > (most or 0) then here, most = one, free end
    end
    if not here then break end
    use(here.name)
    here.stopped = stopped()
    if not here.stopped and tries == TRIES then line_opens_at, here.stopped = at, 'unread' end
    if here.stopped then
      here.why = here.stopped
    else
      local have, id, tenant, priority = take_next()
      tries = tries + 1
      if have then
        granted[#granted + 1] = give_slot(id, tenant, priority, have)
        here.used = here.used + 1
      end
    end
  end
  for _, one in ipairs(list) do
    use(one.name)
    if not unmoved or one.used > one.before then note_level(one.used, one.usable - one.used, one.why) end
  end
  use('default')
  return granted
end

-- Note one more waiting job in a move that grants no slots: the slots are as the last move wrote them.
local function one_more_waits()
  if accounts() then return end
  local free, why = string.match(redis.call('HGET', key('level'), 'now') or '', '^%d+ (%d+) %d+ (.+)$')
  if free == '0' then return end
  local used = redis.call('ZCARD', key('slots'))
  note_level(used, tonumber(free or usable_slots() - used), why or 'none')
end
