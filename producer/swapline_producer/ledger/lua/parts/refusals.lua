-- What acceptances and refusals do to the submission breaker (see breaker.lua). Put after line.lua.

local LONGEST_PAUSE = 60000 -- ms between two tries of a job refused for its own sake, unless Retry-After is longer
local OPENS_AFTER = 2 -- refusals of a kind in a row, of different jobs, until every job waits
local OPENS_LATE_AFTER = 4 -- the same where they are of several kinds, or one was a job's own lately
local SAME_INPUT = 10 -- refusals in a row: jobs of one unreadable input open the breaker after all
local MAY_BE_OWN = {throttled = true, unauthorized = true, credits = true, address = true, input = true}

-- The cap that counted before a 429 of one job: with as many others in flight, another job was accepted.
local function give_cap_back(id, others)
  if not breaker_of('cap_by') then return end
  if breaker_of('cap_by') ~= id then
    if others < breaker_number('cap_beside') then return end
    set_limits('cap', breaker_of('cap_before'))
  end
  forget_of_breaker('cap_by', 'cap_before', 'cap_beside')
end

-- The vendor accepted a job, which has its slot. It proves something only to jobs that were refused.
local function note_accepted(id)
  if not next(whole(own('breaker'))) then return end
  local others = redis.call('ZCARD', own('slots')) - 1
  local beside = math.max(others, tonumber(breaker_of('beside') or 0))
  set_breaker('accepted', text(breaker_number('accepted') + 1), 'beside', beside)
  give_cap_back(id, others)
  if breaker_of('kind') ~= 'input' then close_breaker() end
end

-- A stored input was read.
local function note_read()
  if not next(whole(own('breaker'))) then return end
  set_breaker('read', text(breaker_number('read') + 1))
  if breaker_of('kind') == 'input' then close_breaker() end
end

local function proof_of(s) return breaker_of(s.kind == 'input' and 'read' or 'accepted') or '' end

-- Whether the vendor answered a poll of another job since a moment.
local function others_were_polled(id, since)
  for _, other in ipairs(redis.call('ZRANGE', own('slots'), 0, 9)) do
    local polled = other ~= id and redis.call('HGET', key('job', other), 'polled_at')
    if polled and tonumber(polled) > since then return true end
  end
end

-- Whether a refusal is the job's own. `was` is the one before: {as, own, proof, beside, at}.
local function is_own(id, s, was)
  if not MAY_BE_OWN[s.kind] or was[1] ~= s.as then return false end
  if s.kind == 'throttled' and tonumber(breaker_of('beside') or -1) < tonumber(was[4]) then return false end
  local proof = proof_of(s)
  if proof ~= '' and proof ~= was[3] then return true end
  if s.polls and others_were_polled(id, tonumber(was[5])) then return true end
  local of_another = not is_refusing() or breaker_of('kind') ~= s.kind and breaker_of('job') ~= id
  return tonumber(was[2]) > 0 and of_another and (s.kind ~= 'throttled' or (breaker_of('cap_by') or id) == id)
end

-- A 429: fewer slots. Where it is the first, another job tries the place soon: it may have been the job's own.
local function use_fewer_slots(id, s, others)
  local first = (breaker_of('cap_by') or id) == id
  if not first then
    forget_of_breaker('cap_by', 'cap_before', 'cap_beside')
  elseif not breaker_of('cap_by') then
    local most = own_limit('slots', own_limit('max_in_flight', 3))
    set_breaker('cap_by', id, 'cap_before', math.min(most, own_limit('cap', most)), 'cap_beside', others)
  end
  forget_of_breaker('beside')
  local soon = first and others > 0 and anyone_waits()
  set_limits('cap', math.max(1, others), 'grow_at', text(at + (soon and s.wait_ms or GROW_EVERY)))
end

-- Every job waits once several were refused in a row; the pause doubles with each refusal of the same kind, but not
-- where the call was made before the refusal that it follows: calls that were under way together say it once.
local function open_breaker(id, s)
  local trips, by = breaker_number('trips') + 1, breaker_of('by') or s.by
  local again = breaker_of('kind') == s.kind
  local of_kind = again and breaker_number('of_kind') + 1 or 1
  local together = trips > 1 and s.sent_at < breaker_number('refused_at')
  local pauses = again and breaker_number('pauses') + (together and 0 or 1) or 1
  local own_lately = breaker_of('own_as') == s.kind and at < breaker_number('own_at') + REMEMBERED
  local doubled = math.max(0, pauses - (own_lately and OPENS_LATE_AFTER or 1))
  local wait = math.max(s.wait_ms, math.min(s.wait_ms * 2 ^ doubled, s.longest_ms))
  local enough = trips >= OPENS_LATE_AFTER or of_kind >= OPENS_AFTER and not own_lately
  local siblings = breaker_of('job') ~= id and trips >= SAME_INPUT
  local others_from = breaker_number('others_from')
  if trips == 1 then others_from = at + ((s.kind == 'input' or own_lately) and 0 or s.wait_ms) end
  if by ~= s.by and enough or siblings then set_breaker('several', '1') end
  if s.asked then
    others_from = math.max(others_from, at + wait)
    set_breaker('asked_until', text(at + wait))
  end
  set_breaker('trips', trips, 'of_kind', of_kind, 'pauses', pauses, 'kind', s.kind, 'reason', s.reason, 'by', s.by,
    'job', id, 'tenant', s.tenant, 'closed_until', text(math.max(breaker_number('closed_until'), at + wait)), 'others_from', text(others_from))
end

-- The job waits alone; returns for how long, in milliseconds.
local function pause_alone(s, times)
  local pause = math.max(s.wait_ms, math.min(s.wait_ms * 2 ^ (times - 1), LONGEST_PAUSE))
  local until_then = math.max(breaker_number('paused_until'), at + pause)
  set_breaker('own_as', s.kind, 'own_at', text(at), 'paused_until', text(until_then))
  return pause
end

-- Refusals that say nothing about another account.
local ELSEWHERE = {throttled = true, unauthorized = true, credits = true, address = true, unreachable = true}

-- A job was refused. Gives the fields to write to it, its pause in milliseconds where the refusal is its own, and whether
-- it goes back into the line at once, for another account. What is compared with the refusal before is of one account.
local function note_refused(id, s, waits)
  local job, others, pause, elsewhere = key('job', id), redis.call('ZCARD', own('slots'))
  local mine = account and ':' .. account or ''
  s.as = s.polls and s.kind .. ' poll' or s.kind
  local was = redis.call('HMGET', job, 'refused_as', 'own_refusals', 'refused_proof' .. mine, 'refused_beside' .. mine, 'refused_at')
  local again = was[1] == s.as
  local times, beside = again and tonumber(was[2]) or 0, again and was[4] and math.min(others, was[4]) or others
  bump('trips:' .. s.kind)
  if was[3] and is_own(id, s, was) then
    times = times + 1
    if breaker_of('job') == id and not breaker_of('several') then close_breaker() end -- others were polled meanwhile
    pause = waits and pause_alone(s, times)
  else
    if s.shrink then use_fewer_slots(id, s, others) end
    local soft = s.shrink and not s.asked and others > 0 -- the next one waits for a slot of theirs anyway
    if not soft then open_breaker(id, s) end
    local here = account or 'default'
    for _, one in ipairs(waits and ELSEWHERE[s.kind] and accounts() and pooled.list() or {}) do
      use(one.name)
      elsewhere = elsewhere or one.name ~= here and pooled.serves(one, pooled.pool_of(id)) and not is_refusing() and usable_slots() > 0
    end
    use(here)
    if waits and not elsewhere then redis.call('ZADD', own('refused'), text(soft and at + 2 * s.wait_ms or at), id) end
    set_breaker('refused_at', text(at))
  end
  return {refused_as = s.as, own_refusals = text(times), ['refused_proof' .. mine] = proof_of(s), ['refused_beside' .. mine] = text(beside),
    refused_at = text(at)}, pause, elsewhere
end
