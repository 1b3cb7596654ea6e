-- The meter: what `swapline metrics` serves, written by the same move as the fact that it counts. Put after shared.lua.
--
-- P:meter fields, integers all
--   finished:STATE, failed:CODE           jobs that ended so
--   waiting:PRIORITY                      jobs that are QUEUED now
--   begun                                 paid calls whose attempt was written (before each of them)
--   call:accepted|uncharged|refused|unknown   what became of them
--   resolved                              calls of unknown outcome whose id became known after all
--   looks_begun                           status calls, counted before each of them
--   strikes:KIND                          how often the vendor refused everybody, and why
--   stale:message, stale:move             messages and moves that came too late
--   staged, staging                       bytes written to staging, and bytes there now
--   telling                               webhooks that are still to be delivered
--   postponed                             rescues put off because the step's queue was long
--   used, idle:WHY                        milliseconds of slots: used, and free while jobs waited for them
--   t:NAME:BOUND, t:NAME:sum              histograms of milliseconds: BOUND is the end of a bucket, or inf
-- P:level is how the slots were used since the last change: since, used, free, idle, why. Its integral goes to P:meter,
-- so every millisecond is counted once, whoever dies.

-- Ends of buckets in milliseconds, each about twice the one before: a vendor's work finely, waits coarsely.
local BOUNDS = {
  short = {5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000},
  work = {500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10000, 12000, 15000, 20000, 30000, 45000, 60000, 120000,
    300000, 600000, 1800000},
  long = {100, 500, 1000, 5000, 10000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 21600000, 86400000},
}
local TIMES = {lag = 'short', handover = 'short', detection = 'short', service = 'work', storing = 'work',
  wait = 'long', turnaround = 'long', webhook_lag = 'long'}

local function bump(name, by)
  if by ~= 0 then redis.call('HINCRBY', key('meter'), name, by or 1) end
end

local function bucket(name, ms)
  for _, bound in ipairs(BOUNDS[TIMES[name]]) do
    if ms <= bound then return bound end
  end
  return 'inf'
end

-- One more value in a histogram.
local function time(name, ms)
  ms = math.max(0, math.floor(ms))
  bump('t:' .. name .. ':' .. bucket(name, ms), 1)
  bump('t:' .. name .. ':sum', ms)
end

-- The slots are used otherwise from now on: what has been goes to the account. Nothing is written while nothing changes.
local function level(used, free, idle, why)
  local have = redis.call('HMGET', key('level'), 'since', 'used', 'free', 'idle', 'why')
  local since = tonumber(have[1])
  if since and since <= at and have[2] == tostring(used) and have[3] == tostring(free) and have[4] == tostring(idle)
    and have[5] == why then return end
  if since and at > since then
    bump('used', (at - since) * tonumber(have[2]))
    bump('idle:' .. have[5], (at - since) * tonumber(have[4]))
  end
  redis.call('HSET', key('level'), 'since', text(at), 'used', used, 'free', free, 'idle', idle, 'why', why)
end

-- What a paid call came to, as the move that settles it tells.
local function call_came_to(to, refund)
  if to == 'RUNNING' then return 'accepted' end
  if not refund then return 'unknown' end
  return to == 'FAILED' and 'refused' or 'uncharged'
end

local function meter_call(to, was_open, is_open, refund)
  if is_open == '1' and was_open ~= '1' then
    bump('begun')
  elseif is_open == '0' and was_open == '1' then
    bump('call:' .. call_came_to(to, refund))
  end
end

local function meter_end(to, code, since)
  bump('finished:' .. to)
  if code then bump('failed:' .. code) end
  if to == 'SUCCEEDED' then time('turnaround', at - since) end
end

-- A job has come from one state into another. `have` is its record before, `new` what is written to it.
local function meter_change(state, to, have, new, finished)
  if state == 'QUEUED' then bump('waiting:' .. have.priority, -1) end
  if to == 'QUEUED' then bump('waiting:' .. have.priority, 1) end
  if to == 'RUNNING' and have.attempt_open ~= '1' then bump('resolved') end
  if state == 'RUNNING' and to == 'STORING' then time('service', at - have.submitted_at) end
  if state == 'STORING' and to == 'SUCCEEDED' then time('storing', at - have.terminal_at) end
  if finished then meter_end(to, new.failure_code, have.created_at) end
end

local function meter_staging(had, has, ends)
  if ends then has = '0' end
  if not has or has == (had or '0') then return end
  bump('staging', has - (had or 0))
  if has ~= '0' then bump('staged', tonumber(has)) end
end

local function meter_telling(was, is)
  if not is or (was == 'PENDING') == (is == 'PENDING') then return end
  bump('telling', is == 'PENDING' and 1 or -1)
end
