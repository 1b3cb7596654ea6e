-- The clock takes what is due. Each entry moves to now + rescue, so that a message that gets lost is sent again.
--
-- input.limit                 entries to take at most
-- input.routes {STATE = step} which step acts on which state; `STATE+pending` where a webhook waits, `STATE+staged`
--                             where pictures are staged, win over `STATE`
-- input.queues {step = list}  the broker's list of each step
-- input.backlog               messages in a queue above which nothing is sent again into it
-- input.clock                 who asks; clocks not heard of for a minute are forgotten
-- Gives {tickets = {{ID, step, turn, retries}, …}, granted = …, next_at, rescued, postponed, clocks}.

local TRIES = {submit = 'attempts', poll = 'polls', finalize = 'retries', notify = 'notify_attempts'}
local NAMES = {'state', 'turn', 'sent', 'notification', 'staged', 'slot', 'run_until'}
local rescue = rescue_at() - at
local tickets, rescued, postponed = {}, 0, 0

local function route(state, notification, staged)
  if notification == 'PENDING' and input.routes[state .. '+pending'] then return input.routes[state .. '+pending'] end
  if tonumber(staged or 0) > 0 and input.routes[state .. '+staged'] then return input.routes[state .. '+staged'] end
  return input.routes[state]
end

-- A held job waits for a person, but its slot does not wait longer than the job could have run.
local function let_slot_go(id, job)
  redis.call('ZREM', key('slots'), id)
  redis.call('HSET', job, 'slot', '0')
  redis.call('HINCRBY', job, 'turn', 1)
  log(id, 'slot.released', '{"reason":"run timeout"}')
end

local ids = redis.call('ZRANGE', key('due'), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, input.limit)
for _, id in ipairs(ids) do
  local job = key('job', id)
  local have = redis.call('HMGET', job, unpack(NAMES))
  local state, turn = have[1], have[2]
  if state == 'HELD' and have[6] == '1' and at >= tonumber(have[7] or 0) then
    let_slot_go(id, job)
    turn = redis.call('HGET', job, 'turn')
  end
  local step = state and route(state, have[4], have[5])
  if not state then
    set_due(id, nil)
  elseif not step then
    set_due(id, at + 86400000) -- a held job whose webhook is settled: only a person can move it; look again in a day
  else
    local again = have[3] == turn
    local waiting = again and redis.call('LLEN', input.queues[step]) or 0
    if waiting > input.backlog then
      postponed = postponed + 1
      set_due(id, at + rescue * (1 + waiting / input.backlog))
    else
      if again then rescued = rescued + 1 end
      redis.call('HSET', job, 'sent', turn)
      set_due(id, at + rescue)
      tickets[#tickets + 1] = {id, step, tonumber(turn), tonumber(redis.call('HGET', job, TRIES[step]) or 0)}
    end
  end
end
if rescued > 0 then count('rescues', rescued) end

redis.call('ZADD', key('clocks'), text(at), input.clock)
redis.call('ZREMRANGEBYSCORE', key('clocks'), '-inf', text(at - 60000))

local granted = grant()
local first = redis.call('ZRANGE', key('due'), 0, 0, 'WITHSCORES')
local next_at = tonumber(first[2])
if line_opens_at then next_at = math.min(next_at or line_opens_at, line_opens_at) end
return answer({tickets = tickets, granted = granted, next_at = next_at, rescued = rescued, postponed = postponed,
  clocks = redis.call('ZCARD', key('clocks'))})
