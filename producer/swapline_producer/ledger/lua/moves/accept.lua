-- Write a new job: record, first event, entry in `due`, idempotency key, place in its batch. All or nothing.
--
-- input.id, input.tenant, input.priority, input.ttl_ms (queue)
-- input.fields (text)      among them `batch` and `idempotency_key` where there is one
-- input.claim              {fingerprint, replace_failed}, where there is an idempotency key
-- input.quiet              put it in the waiting line only; the next move that grants slots does the rest
-- input.life_ms            lifetime of an ordinary job's record; its batch lives at least as long
-- input.sha                its stored input, which the producer holds,
-- input.stored_after       or has stored when this was the last deletion of an input (see needs.lua)
-- Returns {id, created} of this job, or of the one that has the idempotency key; {granted = {{ID, version, attempts}, …}}
-- where it stands in the waiting line and free slots were given out; {unknown = {names of accounts}} where its `pin` names
-- none; {conflict=true} where the key belongs
-- to another request; {unheld=true} where the input may be deleted by now. With a stored input, all but {unknown} have
-- {deletion = the last one}.

local LATELY = 2000 -- ms: due dispatchers claim several times a second

-- Whether a worker lives. If so, the job joins the line, and perhaps takes a free slot, without a message. Otherwise a
-- message is sent, so that the broker's list shows that there is work.
local function at_work()
  local last = redis.call('ZRANGE', key('dispatchers'), 0, 0, 'REV', 'WITHSCORES')
  return last[2] and tonumber(last[2]) > at - LATELY
end

local FAILED = {FAILED = true, EXPIRED = true, TIMED_OUT = true, CANCELED = true}
local job = key('job', input.id)

local function reply(result)
  if input.sha then result.deletion = last_deletion() end
  return answer(result)
end

-- The job exists. Counted, so that there is a write for replicas to confirm.
local function there_already(result)
  count('repeated')
  return reply(result)
end

if redis.call('EXISTS', job) == 1 then return there_already({id = input.id, created = true}) end -- our own lost reply

-- Names and labels of accounts, where the job's pin is none of them.
local function unknown_pin()
  local pin = input.fields.pin
  if not pin then return end
  if not accounts() then return pin ~= 'default' and {'default'} or nil end
  local names = {}
  for _, one in ipairs(pooled.list()) do
    if pooled.serves(one, pin) then return end
    for token in pairs(one.tokens) do names[token] = true end
  end
  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- Whether the job has a reference to its stored input now.
local function refer()
  if not input.stored_after then return still_needed(hold_of(input.sha, input.id)) end
  if not is_there(input.sha, input.stored_after) then return false end
  need_input(input.sha)
  return true
end

local held = input.sha and refer()
local unknown = unknown_pin()
if unknown then
  if held then release_input(input.sha) end
  return answer({unknown = unknown})
end
local replaced
if input.claim then
  local name = key('key', input.tenant, input.fields.idempotency_key)
  local holder = redis.call('GET', name)
  if holder then
    local fingerprint, id = string.match(holder, '^(%S*) (%S+)$')
    local have = redis.call('HMGET', key('job', id), 'state', 'batch', 'failure_code', 'credits')
    if have[1] and input.claim.replace_failed and FAILED[have[1]] then
      replaced = id
      if have[2] and (held or not input.sha) then
        local batch = batch_name(input.tenant, have[2])
        redis.call('ZREM', key('batch', batch), id)
        local tally = {jobs = -1, finished = -1, ['state:' .. have[1]] = -1, credits = -tonumber(have[4] or 0)}
        if have[3] then tally['code:' .. have[3]] = -1 end
        count_in_batch(batch, tally)
      end
    elseif have[1] then
      if held then release_input(input.sha) end
      return there_already({id = id, created = false, conflict = fingerprint ~= input.claim.fingerprint})
    end
  end
  if input.sha and not held then return reply({unheld = true}) end
  redis.call('SET', name, input.claim.fingerprint .. ' ' .. input.id) -- it ends with the job: see advance.lua
elseif input.sha and not held then
  return reply({unheld = true})
end

local fields = {'state', 'QUEUED', 'version', '1', 'sent', '1', 'created_at', text(at),
  'queue_until', text(at + input.ttl_ms)}
if held then
  fields[#fields + 1] = 'holds_input'
  fields[#fields + 1] = '1'
end
for name, value in pairs(input.fields) do
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
redis.call('HSET', job, unpack(fields))
move(input.id, nil, 'QUEUED')
bump('waiting:' .. input.priority)
local lively = not input.quiet and at_work()
if input.quiet or lively then
  join_line(input.id, input.priority, input.tenant, text(at))
  set_due(input.id, at + input.ttl_ms)
else
  set_due(input.id, rescue_at())
end
if input.fields.batch then join_batch(batch_name(input.tenant, input.fields.batch), input.id, input.life_ms) end
log(input.id, 'queued', replaced and cjson.encode({replaces = replaced}))
count('accepted')
local granted = lively and grant(nil, accounts() and pooled.idle(input.id))
if not lively then one_more_waits() end
return reply({id = input.id, created = true, granted = granted})
