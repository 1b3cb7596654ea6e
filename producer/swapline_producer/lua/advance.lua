-- The one way a job changes: compare (state, turn), then write everything that belongs to the move.
--
-- input.id, input.state, input.turn   what the job must still be
-- input.token                         a name for this very move: when its reply was lost and it is sent again, it is
--                                     answered as done instead of as stale
-- input.to                            the new state
-- input.set {name, value, …}          fields to write; input.unset {name, …} fields to remove
-- input.stamps {name = ms}            fields set to now + ms
-- input.due_ms, input.due_by          when someone must act next: in so many ms, and not after the moment in that field;
--                                     neither: nothing is left to wait for
-- input.note, input.data (JSON)       a line for the log
-- input.in_line, input.sends, input.count, input.observe, input.strike, input.calm, input.refund   see change.py
-- input.keep_ms                       how long a finished job's record is kept
-- Gives {turn, due, opens_at (while a limit of time stops the line), granted}, or {stale = true, state, turn}.

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'state', 'turn', 'token', 'priority', 'tenant', 'created_at', 'slot', 'spent_on')
local state, turn = have[1], have[2]
if state ~= input.state or turn ~= input.turn then
  if have[3] == input.token then return answer({turn = tonumber(turn), granted = {}}) end
  return answer({stale = true, state = state or '', turn = tonumber(turn or 0)})
end

local to, finished = input.to, input.finished
local new_turn = tonumber(turn) + 1
local fields = {'state', to, 'turn', tostring(new_turn), 'token', input.token}
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
for i = 1, #input.set, 2 do set(input.set[i], input.set[i + 1]) end
for name, ms in pairs(input.stamps) do set(name, text(at + ms)) end
if input.sends then set('sent', tostring(new_turn)) end
if finished and state ~= to then set('finished_at', text(at)) end
if not input.slot and have[7] == '1' then
  set('slot', '0')
  redis.call('ZREM', key('slots'), input.id)
elseif input.slot and have[7] ~= '1' then -- it turned out to be at the vendor: then it has a place there, cap or no cap
  set('slot', '1')
  redis.call('ZADD', key('slots'), text(at), input.id)
end
redis.call('HSET', job, unpack(fields))
if #input.unset > 0 then redis.call('HDEL', job, unpack(input.unset)) end

if state == 'QUEUED' and to ~= 'QUEUED' then leave_line(input.id, have[4], have[5]) end
move(input.id, state, to)
if input.in_line then join_line(input.id, have[4], have[5], have[6]) end

local due = input.due_ms and at + input.due_ms
if input.due_by then
  local latest = tonumber(redis.call('HGET', job, input.due_by))
  due = math.min(due or latest, latest)
end
set_due(input.id, due)

if input.note then log(input.id, input.note, input.data) end
for name, by in pairs(input.count) do count(name, by) end
for name, bucket in pairs(input.observe) do redis.call('HINCRBY', key('hist', name), bucket, 1) end

if input.refund and have[8] then spend(have[5], -CREDITS_PER_JOB, tonumber(have[8])) end

if input.strike then
  local s = input.strike
  local strikes = redis.call('HINCRBY', key('gate'), 'strikes', 1)
  local wait = math.max(s.wait_ms, math.min(s.wait_ms * 2 ^ (strikes - 1), s.longest_ms))
  local opens_at = math.max(gate_opens_at(), at + wait)
  redis.call('HSET', key('gate'), 'closed_until', text(opens_at), 'reason', s.reason)
  if s.shrink then
    local others = math.max(1, redis.call('ZCARD', key('slots')))
    redis.call('HSET', key('limits'), 'cap', others, 'grow_at', text(at + GROW_EVERY))
  end
elseif input.calm then
  redis.call('DEL', key('gate'))
end

if finished then
  if state ~= to then redis.call('PUBLISH', key('done', input.id), to) end
  if not due then -- at rest: nothing will touch it again
    redis.call('PEXPIRE', job, text(input.keep_ms))
    redis.call('PEXPIRE', key('log', input.id), text(input.keep_ms))
  end
end
return answer({turn = new_turn, due = due, granted = grant(), opens_at = line_opens_at})
