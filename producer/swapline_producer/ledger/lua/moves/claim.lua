-- A due dispatcher takes what is due. Each entry moves to now + rescue, so that a lost message is sent again.
--
-- input.limit                 most entries to take
-- input.routes {STATE = step} the step that acts on a state; `STATE+pending`, where a webhook is pending, has
--                             precedence; `HELD+canceling`: a HELD job that is to be canceled and has no slot
-- input.queues {step = list}  the broker's list of each step
-- input.backlog               messages in a queue above which nothing is rescued into it
-- input.polled {…}            polls of this worker that found nothing new: see polled.lua
-- input.dispatcher            the caller; dispatchers that have not claimed for a minute are removed
-- input.finished, input.keep_ms   states whose jobs leave their index when their records expire
-- Returns {messages = {{ID, step, version, retries}, …}, granted = …, next_at, rescued, postponed, dispatchers, put_off = {ms, …},
-- polled = {ID, …} (those of input.polled whose workers may go on from what they know)}.

local NAMES = {'state', 'version', 'sent', 'notification', 'slot', 'run_until', 'poll_at', 'canceling',
  'attempts', 'polls', 'retries', 'notify_attempts'}
local TRIES = {submit = 9, poll = 10, finalize = 11, notify = 12} -- the field that counts a step's tries
local TICK = 50 -- ms: polls that were put off go in groups, so that dispatchers wake up 20 times a second at most
local SILENT = 10000 -- ms without a claim after which a dispatcher counts no more, unless the rescue is longer
local LAPSE = 1000 -- ms after which a place in the row of polls is lost: after an outage they must not go all at once
if ARGV[4] then met_at(ARGV[4]) end -- so that attempts seldom meet a server first, and have to wait
local rescue = rescue_at() - at
local messages, rescued, postponed = {}, 0, 0

local function route(state, notification)
  if notification == 'PENDING' and input.routes[state .. '+pending'] then return input.routes[state .. '+pending'] end
  return input.routes[state]
end

-- Release the slot of a HELD job at its run timeout.
local function let_slot_go(id, job)
  if accounts() then use(redis.call('HGET', job, 'account') or 'default') end
  redis.call('ZREM', own('slots'), id)
  redis.call('HSET', job, 'slot', '0')
  redis.call('HINCRBY', job, 'version', 1)
  log(id, 'slot.released', '{"reason":"run timeout"}')
end

local poll_rate, next_poll_at = limit_of('poll_rate', 0), limit_of('next_poll_at', 0)
local put_off = {}

-- Whether a poll may go now. Above the rate it gets a place in the row, first come, first served, so that each job has
-- its share.
local function poll_may_go(id, job, poll_at)
  if poll_rate <= 0 then return true end
  if poll_at then
    redis.call('HDEL', job, 'poll_at')
    if at >= tonumber(poll_at) and at < poll_at + LAPSE then return true end
  end
  local place = math.max(at, next_poll_at)
  next_poll_at = place + 1000 / poll_rate
  if place < at + TICK then return true end
  local tick = math.floor(place / TICK) * TICK
  redis.call('HSET', job, 'poll_at', text(tick))
  set_due(id, tick)
  if put_off[#put_off] ~= tick then put_off[#put_off + 1] = tick end
  return false
end

-- The server's clock was set back by `ms`.
local function set_breaker_back(back)
  for _, name in ipairs({'closed_until', 'others_from', 'asked_until', 'refused_at', 'paused_until', 'own_at'}) do
    if breaker_of(name) then set_breaker(name, text(breaker_number(name) + back)) end
  end
  for _, id in ipairs(redis.call('ZRANGE', own('refused'), 0, -1)) do
    redis.call('ZINCRBY', own('refused'), text(back), id)
  end
end

-- Close an idle breaker; forget refusals that are long ago.
local function tidy_breaker()
  if is_refusing() then
    if is_idle() then close_breaker() end
  elseif next(whole(own('breaker'))) and at > math.max(breaker_number('refused_at'), breaker_number('own_at')) + REMEMBERED then
    redis.call('DEL', own('breaker'))
    hashes[own('breaker')] = nil
  end
end

-- The server's clock was set back: all that waits would wait longer, so it is moved as well. A step forward looks like
-- a server that was away, and only makes things early.
local STEP = 1000 -- ms: claims come some times a second, and their moments never go back by themselves
local claimed_at, late = limit_of('claimed_at', 0), limit_of('late', 0)
if at < claimed_at - STEP then
  local back = at - claimed_at
  for _, id in ipairs(redis.call('ZRANGE', key('due'), 0, -1)) do
    redis.call('ZINCRBY', key('due'), text(back), id)
    redis.call('HDEL', key('job', id), 'poll_at')
  end
  next_poll_at = next_poll_at + back
  each_account(function()
    for _, name in ipairs({'grow_at', 'next_submit_at'}) do
      if own_limit(name) then set_limits(name, text(own_limit(name) + back)) end
    end
    set_breaker_back(back)
  end)
  sample_anew()
end

local polled = {}
for _, one in ipairs(input.polled) do
  if write_polled(one) then polled[#polled + 1] = one.id end
end

local entries = redis.call('ZRANGE', key('due'), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, input.limit, 'WITHSCORES')
local ids, lags = {}, {}
for i = 1, #entries, 2 do
  local lag = at - entries[i + 1]
  local bound = bucket('lag', lag)
  ids[#ids + 1], lags[bound], late = entries[i], (lags[bound] or 0) + 1, late + lag
end
for bound, number in pairs(lags) do bump('t:lag:' .. bound, number) end
local dues = {} -- ms, ID, …: when what is taken is due again, written at once
for _, id in ipairs(ids) do
  local job = key('job', id)
  local have = redis.call('HMGET', job, unpack(NAMES))
  local state, version = have[1], have[2]
  if state == 'HELD' and have[5] == '1' and at >= tonumber(have[6] or 0) then
    let_slot_go(id, job)
    version = redis.call('HGET', job, 'version')
    have[5] = '0'
  end
  local step = state and route(state, have[4])
  if state == 'HELD' and have[5] ~= '1' and have[8] then step = input.routes['HELD+canceling'] end
  if not state then
    set_due(id, nil)
  elseif not step then
    set_due(id, at + 86400000) -- HELD, its webhook settled: only a person can move it; check again in a day
  else
    local again = have[3] == version
    local waiting = again and redis.call('LLEN', input.queues[step]) or 0
    if waiting > input.backlog then
      postponed = postponed + 1
      set_due(id, at + rescue * (1 + waiting / input.backlog))
    elseif step ~= 'poll' or poll_may_go(id, job, have[7]) then
      if again then rescued = rescued + 1 end
      redis.call('HSET', job, 'sent', version)
      if step == 'poll' then bump('polls_begun') end
      dues[#dues + 1] = text(at + rescue)
      dues[#dues + 1] = id
      messages[#messages + 1] = {id, step, tonumber(version), tonumber(have[TRIES[step]] or 0)}
    end
  end
end
if rescued > 0 then count('rescues', rescued) end
bump('postponed', postponed)
if #put_off > 0 and #ids >= input.limit then put_off[#put_off + 1] = at end -- there may be more that can go at once
if #dues > 0 then redis.call('ZADD', key('due'), unpack(dues)) end
local row = poll_rate > 0 and {'next_poll_at', text(next_poll_at)} or {}
redis.call('HSET', key('limits'), 'claimed_at', text(at), 'late', text(late), unpack(row)) -- not read below

redis.call('ZADD', key('dispatchers'), text(at), input.dispatcher)
redis.call('ZREMRANGEBYSCORE', key('dispatchers'), '-inf', text(at - 60000))
-- Each living dispatcher claims three times in the rescue: a killed one must not make the others sweep less often.
local living = redis.call('ZCOUNT', key('dispatchers'), text(at - math.max(SILENT, rescue)), '+inf')

if redis.call('SET', key('trimmed'), '1', 'NX', 'PX', 60000) then -- once a minute
  for _, state in ipairs(input.finished) do
    redis.call('ZREMRANGEBYSCORE', key('state', state), '-inf', text(at - input.keep_ms))
  end
  for _, name in ipairs({'dead', 'retrying', 'dead:batches', 'retrying:batches'}) do
    for _, id in ipairs(redis.call('ZRANGE', key(name), '-inf', text(at - input.keep_ms), 'BYSCORE', 'LIMIT', 0, 100)) do
      if redis.call('EXISTS', key('job', id)) == 0 then redis.call('ZREM', key(name), id) end
    end
  end
end

each_account(tidy_breaker)
sample()
local granted = grant()
local first = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
local next_at = tonumber(first[2])
if line_opens_at then next_at = math.min(next_at or line_opens_at, line_opens_at) end
return answer({messages = messages, granted = granted, next_at = next_at, rescued = rescued, postponed = postponed,
  dispatchers = living, put_off = put_off, polled = polled})
