-- The meter: what `swapline metrics` serves, written by the same move as the fact that it counts. Put after accounts.lua.
-- Every command here is paid by every job, so what P:count has is not counted again, nothing is written unchanged, and
-- a move's numbers are written together at its end (see shared.lua).
--
-- P:meter fields, integers all
--   waiting:PRIORITY                      jobs that are QUEUED now
--   call:uncharged|refused|unknown        results of paid calls without an id
--   call:resolved                         calls that were settled without an id, and whose id became known after all
--   polls_begun                           status calls, counted before each of them: by the claim that sends the poll, by
--                                         `open` without a claim and for each job in STORING, and by a poll's
--                                         move that lost a race, for a message that was delivered twice
--   trips:KIND                            refusals of the account, by kind
--   stale:message, stale:move             messages and moves that came too late
--   webhooks_pending                      webhooks that are still to be delivered
--   postponed                             rescues put off because the step's queue was long
--   used, idle:WHY                        milliseconds of slots: used, and free while jobs waited for them
--   by:NAME:used, by:NAME:idle:WHY        the same of one account, where there are several
--   waited                                milliseconds of waiting jobs, once a minute: see sample.lua
--   t:NAME:BOUND, t:NAME:sum              histograms of milliseconds: BOUND is the end of a bucket, or inf
-- P:level is how the slots are used since the last change: `now` is USED FREE IDLE WHY, `since` is that change. Its
-- integral goes to P:meter, so every millisecond is counted once, whichever process dies.

-- Ends of buckets in milliseconds, each about twice the one before: a vendor's work finely, waits coarsely. Made when
-- they are asked for: every script runs this file.
local function bounds_of(name)
  if name == 'service' or name == 'storing' then
    return {500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10000, 12000, 15000, 20000, 30000, 45000, 60000, 120000,
      300000, 600000, 1800000}
  elseif name == 'turnaround' then -- finely as well: the history reads its percentiles from it
    return {100, 500, 1000, 2000, 3000, 5000, 8000, 10000, 12000, 15000, 20000, 30000, 45000, 60000, 120000, 300000, 600000,
      1800000, 3600000, 21600000, 86400000}
  elseif name == 'wait' or name == 'webhook_lag' then
    return {100, 500, 1000, 5000, 10000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 21600000, 86400000}
  end
  return {5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000}
end

local function bump(name, by)
  if by ~= 0 then add('meter', name, by or 1) end
end

local function bucket(name, ms)
  for _, bound in ipairs(bounds_of(name)) do
    if ms <= bound then return bound end
  end
  return 'inf'
end

-- One more value in a histogram.
local function time(name, ms)
  ms = math.max(0, math.floor(ms))
  bump('t:' .. name .. ':' .. bucket(name, ms))
  bump('t:' .. name .. ':sum', ms)
end

-- A poll of a job failed: P:poll_failures has the jobs with a failed poll within FAILING_FOR.
local FAILING_FOR = 300000 -- ms: the range of the alert that reads it

local function note_failed_poll(id)
  local name = key('poll_failures')
  redis.call('ZREMRANGEBYSCORE', name, '-inf', text(at - FAILING_FOR))
  redis.call('ZADD', name, text(at), id)
  redis.call('PEXPIRE', name, FAILING_FOR)
end

-- The use of the account's slots changes now: add the time until now to the meter.
local function level(used, free, idle, why)
  local now = used .. ' ' .. free .. ' ' .. idle .. ' ' .. why
  local have = redis.call('HMGET', own('level'), 'now', 'since')
  local since = tonumber(have[2])
  if have[1] == now and since <= at then return end
  if since and at > since then
    local was_used, was_idle, was_why = string.match(have[1], '^(%d+) %d+ (%d+) (.+)$')
    for _, before in ipairs(accounts() and {'', 'by:' .. (account or 'default') .. ':'} or {''}) do
      bump(before .. 'used', (at - since) * was_used)
      bump(before .. 'idle:' .. was_why, (at - since) * was_idle)
    end
  end
  redis.call('HSET', own('level'), 'now', now, 'since', text(at))
end
