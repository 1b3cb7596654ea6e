-- The submission breaker: refusals of the account stop every job, a refusal of one job stops no other. Each account has its own. Put
-- after accounts.lua and before line.lua; what opens and closes it is in refusals.lua.
--
-- A refused job leaves the line for P:refused. After a pause another job probes, where one waits. When it is
-- accepted, the breaker closes and the refused jobs stand in line again. A job that is refused again in the same way,
-- after another was accepted, is refused for its own sake: it waits alone, changes nothing for others, and `submit` ends
-- it after some such refusals.

local GROW_EVERY = 30000 -- ms between two attempts to use one slot more after the vendor said 429
local IDLE_AFTER = 30000 -- ms after the last refusal; polls of running jobs, which are refused as well, are 20 s apart
local REMEMBERED = 600000 -- ms that a refusal for a job's own sake makes the breaker slower to open for the same kind
local EPISODE = {'trips', 'of_kind', 'pauses', 'kind', 'reason', 'by', 'job', 'tenant', 'several', 'closed_until',
  'others_from', 'asked_until'}

local function breaker_of(name) return whole(own('breaker'))[name] end

local function breaker_number(name) return tonumber(breaker_of(name) or 0) end

local function set_breaker(...)
  redis.call('HSET', own('breaker'), ...)
  hashes[own('breaker')] = nil
end

local function forget_of_breaker(...)
  redis.call('HDEL', own('breaker'), ...)
  hashes[own('breaker')] = nil
end

local function is_refusing() return breaker_number('trips') > 0 end

local function close_breaker()
  if is_refusing() then forget_of_breaker(unpack(EPISODE)) end
end

-- When the line may move again. While one job alone was refused, the others need not wait as long as it does.
local function line_opens_from()
  return breaker_number(breaker_of('several') and 'closed_until' or 'others_from')
end

-- After a refusal one job at a time is tried until one is accepted. One unreadable input says nothing about others.
local function is_probing()
  if not is_refusing() or breaker_of('kind') == 'input' and not breaker_of('several') then return false end
  return submitting() > 0
end

-- Nothing waits for the breaker, and nothing was refused for a while.
local function is_idle()
  if at < math.max(breaker_number('refused_at') + IDLE_AFTER, breaker_number('asked_until')) then return false end
  return not anyone_waits() and redis.call('EXISTS', own('refused')) == 0 and submitting() == 0
end

-- The breaker as it is shown: nothing while it is closed, or idle.
local function breaker_shown()
  if not is_refusing() or is_idle() then return {} end
  local from = anyone_waits() and line_opens_from() or breaker_number('closed_until')
  return {trips = breaker_of('trips'), kind = breaker_of('kind'), reason = breaker_of('reason'),
    closed_until = text(from)}
end
