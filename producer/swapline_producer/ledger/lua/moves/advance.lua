-- Change a job: compare (state, version), then write all that belongs to the change.
--
-- input.id, input.state, input.version   what the job must still be
-- input.canceling                     and whether it is to be canceled, as the caller knows it ('' for no)
-- input.token                         a name for this change: repeated after a lost reply it is answered as written
-- input.after                         the name of the change that made this version, where another may have made it again
-- input.on                            the account that is about to be called, which must have given the slot
-- input.settling_ms                   of an attempt: how long none is written to a server that has taken another's place
-- input.to                            the new state
-- input.set {name = value}             fields to write; input.unset {name, …} fields to remove
-- input.stamps {name = ms}            fields set to now + ms
-- input.due_ms, input.due_by          when a step has to act next: in due_ms, and not after the time in that field;
--                                     without both the job is at rest
-- input.note, input.data (JSON)       a line for the log
-- input.in_line, input.sends, input.count, input.observe, input.timed (ms), input.trip, input.close_breaker,
-- input.input_read, input.refund      see contract/changes.py
-- input.leaves_index, input.enters_index     the index of failed deliveries that the job leaves, and enters: `retrying` or
--                                     `dead`, or false (see shared.lua)
-- input.store_failed                  why the store did not accept a result
-- input.batch, input.tally            TENANT:NAME of the job's batch, and the changes of its counts, where there are any
-- input.keep_ms                       lifetime of a finished job's record
-- input.reopens                       it had ended and goes on: its record does not expire
-- input.sha                           its stored input, where the change ends the job or reopens it
-- input.input_ttl_ms                      how long its input is held after its end, so that it can be sent again; or false
-- input.leaves {name = ms}            objects and folders that are not needed any more, from now + ms on
-- What is empty or false may be left out.
-- Returns {version, due, opens_at (while a limit of time stops the line), granted, records (of the first of them,
-- {ID = {name, value, …}})}, {stale = true} after a lost race,
-- {stale = true, canceling} where the job is to be canceled since it was read,
-- {settling = ms} where the attempt must wait as long for a server that has just come back,
-- {unheld = true} where its input is gone and it cannot go back into the line, {owner = ID} where the vendor's id is
-- that of another job.

local RECORDS = 4 -- of granted jobs: nearly all moves grant one slot at most
local HIST_FULL = 300 -- jobs: the newest 150 to 300 count, so that the schedule follows a vendor that changes

-- Add a job to a histogram. A full one is halved: old jobs fade.
local function observe(name, spread)
  local hist, names, new = key('hist', name), {'jobs'}, {}
  for bucket in pairs(spread) do names[#names + 1] = bucket end
  local have = redis.call('HMGET', hist, unpack(names))
  local jobs = (have[1] or 0) + 1
  for i, bucket in ipairs(names) do
    new[#new + 1] = bucket
    new[#new + 1] = string.format('%.14g', i == 1 and jobs or (have[i] or 0) + spread[bucket])
  end
  redis.call('HSET', hist, unpack(new))
  if jobs < HIST_FULL then return end
  local old, halves = redis.call('HGETALL', hist), {}
  for i = 1, #old, 2 do
    if tonumber(old[i + 1]) >= 0.02 then -- less would stay at 0.0
      halves[#halves + 1] = old[i]
      halves[#halves + 1] = string.format('%.4f', old[i + 1] / 2)
    end
  end
  redis.call('DEL', hist)
  redis.call('HSET', hist, unpack(halves))
end

-- ms that the vendor may remember a job: an id that is used again, or mistyped, would return its picture
local VENDOR_ID_KEPT = 86400000

local NONE = {} -- what is empty or false is not sent

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'state', 'version', 'token', 'priority', 'tenant', 'created_at', 'slot', 'spent_on',
  'canceling', 'attempt_open', 'notification', 'submitted_at', 'terminal_at', 'holds_input', 'idempotency_key',
  input.due_by or 'queue_until', 'vendor_job_id', 'account')
local state, version = have[1], have[2]
if accounts() then use(have[18] or 'default') end
local moved = state ~= input.state or version ~= input.version
moved = moved or input.on and (have[18] or 'default') ~= input.on
if moved or input.after and have[3] ~= input.after then
  if have[3] == input.token then return answer({version = tonumber(version), granted = {}}) end
  bump('stale:move')
  if state ~= 'STORING' and input.count and input.count.polls then bump('polls_begun') end -- a second delivery: the claim counted one poll
  return answer({stale = true})
end

if (have[9] or '') ~= (input.canceling or '') then return answer({stale = true, canceling = have[9] or ''}) end

local left_to_settle = input.settling_ms and settling(ARGV[4], input.settling_ms) or 0
if left_to_settle > 0 then return answer({settling = left_to_settle}) end

local to, finished = input.to, input.finished

-- A reply that came too late for its slot: the job belongs to the account that was charged.
local left -- the account that had it meanwhile
if input.set and input.set.account and input.set.account ~= (account or 'default') then
  left = account or 'default'
  use(input.set.account)
end
local one = accounts() and pooled.named(account or 'default')
local scope = one and one.scope ~= '' and one.scope .. '/' or '' -- of the ids of its vendor

local new_id = input.set and input.set.vendor_job_id
local vendor_id = new_id or have[17]
local sent_anew = input.reopens and to == 'QUEUED'
if new_id or vendor_id and input.reopens and not sent_anew then
  local owner = redis.call('GET', key('vendor_id', scope .. vendor_id))
  if owner and owner ~= input.id and redis.call('EXISTS', key('job', owner)) == 1 then return answer({owner = owner}) end
  redis.call('SET', key('vendor_id', scope .. vendor_id), input.id)
end
if left then
  local charged = account or 'default'
  use(left)
  redis.call('ZREM', own('slots'), input.id)
  redis.call('ZREM', key('jobs', left), input.id)
  redis.call('ZREM', own('refused'), input.id)
  if state == 'SUBMITTING' and have[10] ~= '1' then spend(have[5], -CREDITS_PER_JOB, tonumber(have[8])) end -- unsent
  use(charged)
  if state ~= 'QUEUED' then spend(have[5], CREDITS_PER_JOB) end
  have[7] = '0'
end
if have[17] and state == 'HELD' and (to == 'QUEUED' or new_id and new_id ~= have[17]) then -- a person said: not its own
  local name = key('vendor_id', scope .. have[17])
  if redis.call('GET', name) == input.id then redis.call('DEL', name) end
end
if vendor_id and (finished or sent_anew) then
  redis.call('PEXPIRE', key('vendor_id', scope .. vendor_id), text(math.min(VENDOR_ID_KEPT, input.keep_ms or VENDOR_ID_KEPT)))
end

local held_again = input.reopens and input.sha and still_needed(hold_of(input.sha, input.id))
if input.reopens and input.sha and to == 'QUEUED' and not held_again then return answer({unheld = true}) end
-- A call that was made before the ledger lost its last writes: its slot, and so its credits, are not known here.
local forgotten = false
if state == 'QUEUED' and to ~= 'QUEUED' then
  local known, paid = redis.call('HGET', job, 'attempts') or 0, input.set and input.set.attempts or 0
  forgotten = tonumber(known) < tonumber(paid)
  if forgotten then spend(have[5], CREDITS_PER_JOB) end
end
if state == 'SUBMITTING' and to == 'RUNNING' then -- before anything moves
  time('handover', at - (redis.call('ZSCORE', own('slots'), input.id) or at))
end
local new_version = tonumber(version) + 1
local fields, new, unset = {}, {}, input.unset or {}
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
  new[name] = value
end
if state ~= to then set('state', to) end
if forgotten or left and state ~= 'QUEUED' then set('spent_on', today) end
set('version', tostring(new_version))
set('token', input.token)
for name, value in pairs(input.set or NONE) do set(name, value) end
for name, ms in pairs(input.stamps or NONE) do set(name, text(at + ms)) end
if held_again then set('holds_input', '1') end
if input.sends then set('sent', tostring(new_version)) end
if finished and state ~= to then set('finished_at', text(at)) end
local had_slot = have[7] == '1'
if input.trip then
  input.trip.sent_at, input.trip.tenant = tonumber(redis.call('ZSCORE', own('slots'), input.id) or at), have[5]
end
if not input.slot and had_slot then
  set('slot', '0')
  redis.call('ZREM', own('slots'), input.id)
elseif input.slot and not had_slot then -- found at the vendor: it holds a slot, cap or no cap
  set('slot', '1')
  redis.call('ZADD', own('slots'), text(at), input.id)
end
local pause, elsewhere -- ms, where the job was refused for its own sake; whether another account may take it at once
if input.trip then
  local noted
  noted, pause, elsewhere = note_refused(input.id, input.trip, to == 'QUEUED')
  for name, value in pairs(noted) do set(name, value) end
elseif input.close_breaker then
  note_accepted(input.id)
elseif input.input_read then
  note_read()
end
redis.call('HSET', job, unpack(fields))
if finished and have[14] then
  unset[#unset + 1] = 'holds_input'
  if input.input_ttl_ms then unneeded(hold_of(input.sha, input.id), at + input.input_ttl_ms) else release_input(input.sha) end
end
for name, ms in pairs(input.leaves or NONE) do unneeded(name, at + ms) end
if #unset > 0 then redis.call('HDEL', job, unpack(unset)) end

if state == 'QUEUED' and to ~= 'QUEUED' then leave_line(input.id, have[4], have[5]) end
-- A requeued job keeps its original queue time.
move(input.id, state, to, state == 'SUBMITTING' and to == 'QUEUED' and have[6] or nil)
if left and state == to then redis.call('ZADD', key('jobs', account or 'default'), AT[to], input.id) end
if state ~= to then
  local was = {priority = have[4], created_at = have[6], attempt_open = have[10], submitted_at = have[12] or at,
    terminal_at = have[13] or at}
  tally_states(state, to, was)
end
tally_call(to, have[10], new.attempt_open, input.refund)
tally_webhook(have[11], new.notification)
for name, ms in pairs(input.timed or NONE) do time(name, ms) end
if input.in_line and accounts() and not input.trip then
  if state == 'SUBMITTING' then -- it may have been charged: no other account may take it
    redis.call('HSET', job, 'bound', account or 'default')
  else
    redis.call('HDEL', job, 'bound')
  end
end
local joins = input.in_line and (not input.trip or elsewhere)
if joins then join_line(input.id, have[4], have[5], have[6]) end

local due = input.due_ms and at + input.due_ms
if input.due_by then
  local latest = tonumber(new[input.due_by] or have[16])
  due = math.min(pause and at + pause or due or latest, latest)
end
set_due(input.id, due)

if input.note then log(input.id, input.note, input.data) end
for name, by in pairs(input.count or NONE) do count(name, by) end
if input.count and input.count['polls.failed'] then note_failed_poll(input.id) end
for name, spread in pairs(input.observe or NONE) do observe(name, spread) end

if input.leaves_index then redis.call('ZREM', key(input.leaves_index), input.id) end
if input.enters_index then redis.call('ZADD', key(input.enters_index), text(at), input.id) end
if input.batch then
  count_in_batch(input.batch, input.tally)
  complete_batch(input.batch)
end

if input.refund and have[8] then spend(have[5], -CREDITS_PER_JOB, tonumber(have[8])) end

local store_changed = false
if input.store_failed then
  trip_store(input.store_failed)
  store_changed = true
elseif new.images and new.images ~= '[]' then
  store_changed = close_store()
end

-- Return the key of its idempotency record, if that is still its own.
local function own_key()
  local name = have[15] and key('key', have[5], have[15])
  return name and string.match(redis.call('GET', name) or '', ' (%S+)$') == input.id and name
end

if input.reopens then
  for _, name in ipairs({job, key('log', input.id), own_key() or nil}) do redis.call('PERSIST', name) end
end
if finished then
  if state ~= to then redis.call('PUBLISH', key('done', input.id), to) end
  if not due then -- at rest: its record may expire
    redis.call('PEXPIRE', job, text(input.keep_ms))
    redis.call('PEXPIRE', key('log', input.id), text(input.keep_ms))
    local name = own_key()
    if name then redis.call('PEXPIRE', name, text(input.keep_ms)) end -- as long as the job
  end
end
-- Where no job took or left a slot or the line, the meter is up to date.
local unmoved = state == to or state == 'STORING' and to ~= 'QUEUED' and not had_slot and not input.slot
unmoved = unmoved and not left and not input.trip and not store_changed
local names, ended_in_line = nil, state == 'QUEUED' and not left and not joins -- nothing is free by that
if accounts() and not store_changed then
  names = joins and pooled.idle(input.id) or {}
  if state ~= 'QUEUED' then names[account or 'default'] = true end
  if left then names[left] = true end
end
local granted = names and ended_in_line and {} or grant(unmoved and not joins, names)
local records = {}
for i = 1, math.min(#granted, RECORDS) do records[granted[i][1]] = redis.call('HGETALL', key('job', granted[i][1])) end
return answer({version = new_version, due = due, granted = granted, records = records, opens_at = line_opens_at})
