-- The counts of a batch. Put between line.lua (and meter.lua) and the moves that need it.
--
-- A batch's record has a job's fields (state, version, sent, notification, notify_attempts) and the id
-- `batch:TENANT:NAME`, so its webhook is claimed, rescued, retried and settled as a job's. Here `name` is TENANT:NAME: a batch belongs to its tenant, and a tenant's name has no colon.

local function batch_id(name) return 'batch:' .. name end

local function batch_name(tenant, batch) return tenant .. ':' .. batch end

-- Add a job to a batch; `life_ms` is the lifetime of an ordinary job of it.
local function join_batch(name, id, life_ms)
  local jobs, record = key('batch', name), key('job', batch_id(name))
  redis.call('ZADD', jobs, text(at), id)
  redis.call('PEXPIRE', jobs, text(math.max(life_ms, redis.call('PTTL', jobs))))
  local first = redis.call('HINCRBY', record, 'jobs', 1) == 1
  redis.call('HINCRBY', record, 'ever', 1)
  local left = redis.call('PTTL', record)
  if first or left > 0 then -- a sealed batch does not expire before its webhook is settled
    redis.call('PEXPIRE', record, text(math.max(life_ms, left)))
  end
end

-- Count for the batch; `tally` is {finished = n, STATE = n, credits = n, …}.
local function count_in_batch(name, tally)
  local record = key('job', batch_id(name))
  if redis.call('EXISTS', record) == 0 then return end -- it has expired: a new record would never
  for what, by in pairs(tally) do redis.call('HINCRBY', record, what, by) end
end

-- Complete a sealed batch whose jobs have all finished, once: its webhook is due. Its payload is fixed here, so that
-- all attempts send the same.
local function complete_batch(name)
  local id = batch_id(name)
  local record = key('job', id)
  local have = redis.call('HMGET', record, 'sealed', 'jobs', 'finished')
  if have[1] ~= '1' or tonumber(have[2] or 0) > tonumber(have[3] or 0) then return false end
  local states, failures, flat = {}, {}, redis.call('HGETALL', record)
  local jobs, credits = 0, 0
  for i = 1, #flat, 2 do
    local what, kind = string.match(flat[i], '^(%l+):(.+)$')
    local number = tonumber(flat[i + 1])
    if what == 'state' and number > 0 then states[kind] = number end
    if what == 'code' and number > 0 then failures[kind] = number end
    if flat[i] == 'jobs' then jobs = number end
    if flat[i] == 'credits' then credits = number end
  end
  if redis.call('HGET', record, 'notification') ~= 'PENDING' then bump('webhooks_pending') end
  redis.call('HINCRBY', record, 'version', 1)
  redis.call('HINCRBY', record, 'round', 1)
  redis.call('HSET', record, 'state', 'SUCCEEDED', 'sealed', '0', 'notification', 'PENDING', 'notify_attempts', '0',
    'finished_at', text(at), 'completed_at_ever', redis.call('HGET', record, 'ever'),
    'counts', cjson.encode({jobs = jobs, credits = credits, states = states, failures = failures}))
  redis.call('PERSIST', record)
  redis.call('PERSIST', key('log', id))
  redis.call('ZREM', key('dead', 'batches'), id) -- a batch that is completed again is notified again
  redis.call('ZREM', key('retrying', 'batches'), id)
  set_due(id, at)
  log(id, 'completed')
  count('batches_completed')
  return true
end
