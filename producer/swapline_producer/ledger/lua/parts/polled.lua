-- Write a poll that found nothing new, which a worker sends with its next claim. Put before claim.lua.

-- one.id, one.version, one.token        the running job, at the version at which it was polled; a name for the change
-- one.set, one.stamps {name = ms}       fields to write, and fields set to now + ms
-- one.due_ms                            when it is polled next: in due_ms, and not after its run_until
-- one.note, one.data (JSON), one.count  a line for the log, if any, and counters
-- Returns whether it was written and the worker may go on from what it knows: a job that is to be canceled is read.
local function write_polled(one)
  local job = key('job', one.id)
  local have = redis.call('HMGET', job, 'state', 'version', 'token', 'canceling', 'run_until')
  if have[1] ~= 'RUNNING' or have[2] ~= one.version then
    if have[3] == one.token then return not have[4] end -- repeated after a lost reply
    bump('stale:move')
    bump('polls_begun') -- a second delivery: the claim counted one poll
    return false
  end
  local fields = {'version', text(one.version + 1), 'token', one.token}
  for name, value in pairs(one.set) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for name, ms in pairs(one.stamps) do
    fields[#fields + 1] = name
    fields[#fields + 1] = text(at + ms)
  end
  redis.call('HSET', job, unpack(fields))
  local due = at + one.due_ms
  set_due(one.id, math.min(due, tonumber(have[5]) or due))
  if one.note then log(one.id, one.note, one.data) end
  for name, by in pairs(one.count) do count(name, by) end
  return not have[4]
end
