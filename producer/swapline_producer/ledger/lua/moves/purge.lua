-- Delete all of a job but a tombstone: a step's later write is stale. An unfinished job is purged at its end.
--
-- This is the one list of the keys that belong to a job: a new key must be added here.
--
-- input.id, input.why    the tombstone says when and why, and nothing else
-- input.tomb_ms          how long it stands
-- input.sha              the job's stored input, where it has one
-- input.leaves           folders of its objects; they are put on the list of what is to be deleted
-- input.spec {name, …}   what an unfinished job keeps of its request: fields, in pieces
-- Returns {purged = true}, {promised = true, state}, or {missing = true}.

local AGAIN = 2000 -- ms until a promised purge is checked again: an end takes seconds

local id, job = input.id, key('job', input.id)
local have = redis.call('HMGET', job, 'state', 'tenant', 'priority', 'batch', 'idempotency_key', 'credits', 'spent_on',
  'notification', 'failure_code', 'vendor_job_id', 'account')
local state, tenant = have[1], have[2]

local function drop_key()
  local name = have[5] and key('key', tenant, have[5])
  if name and string.match(redis.call('GET', name) or '', ' (%S+)$') == id then redis.call('DEL', name) end
end

local function drop_vendor_id()
  local one = have[10] and accounts() and pooled.named(have[11] or 'default')
  for _, name in ipairs(have[10] and {have[10], one and one.scope .. '/' .. have[10] or nil} or {}) do
    if redis.call('GET', key('vendor_id', name)) == id then redis.call('DEL', key('vendor_id', name)) end
  end
end

-- The credits of a day stay; their tenant's name goes. A cap that a person has set names the tenant anyway, and a purge
-- must not get around it.
local function forget_whose_credits(of_account)
  local spent_by, nobodys = of_account .. 'tenant:' .. tenant, of_account .. 'tenant:(purged)'
  local name = have[7] and key('spent', have[7])
  if not name or redis.call('HEXISTS', key('caps'), tenant) == 1 then return end
  local credits = math.min(tonumber(have[6] or 0), tonumber(redis.call('HGET', name, spent_by) or 0))
  if credits > 0 then redis.call('HINCRBY', name, nobodys, credits) end
  if redis.call('HINCRBY', name, spent_by, -credits) <= 0 then redis.call('HDEL', name, spent_by) end
end

-- Delete a batch with its last job: its record names the tenant and an address.
local function leave_batch(name)
  redis.call('ZREM', key('batch', name), id)
  local tally = {jobs = -1, finished = -1, ['state:' .. state] = -1, credits = -tonumber(have[6] or 0)}
  if have[9] then tally['code:' .. have[9]] = -1 end
  local record_id, record = batch_id(name), key('job', batch_id(name))
  count_in_batch(name, tally)
  if redis.call('EXISTS', key('batch', name)) == 1 then return end
  if redis.call('HGET', record, 'notification') == 'PENDING' then bump('webhooks_pending', -1) end
  for _, index in ipairs({'due', 'dead:batches', 'retrying:batches'}) do redis.call('ZREM', key(index), record_id) end
  redis.call('DEL', record, key('log', record_id))
end

if not state then
  redis.call('ZREM', key('purging'), id)
  return answer({missing = true})
end

if not FINISHED[state] then
  redis.call('ZADD', key('purging'), text(at + AGAIN), id)
  local all = redis.call('HGETALL', job)
  for i = 1, #all, 2 do
    if all[i] == 'spec' or string.match(all[i], '^spec:') then redis.call('HDEL', job, all[i]) end
  end
  for name, piece in pairs(input.spec) do redis.call('HSET', job, name, piece) end
  drop_key()
  return answer({promised = true, state = state})
end

if input.sha and still_needed(hold_of(input.sha, id)) then release_input(input.sha) end
for _, name in ipairs(input.leaves) do unneeded(name, at) end
drop_key()
drop_vendor_id()
if have[8] == 'PENDING' then bump('webhooks_pending', -1) end
forget_whose_credits('')
if have[11] then forget_whose_credits('account:' .. have[11] .. ':') end
for _, name in ipairs({'due', 'slots', 'purging', 'dead', 'retrying'}) do redis.call('ZREM', key(name), id) end
redis.call('ZREM', key('state', state), id)
if have[4] then leave_batch(batch_name(tenant, have[4])) end
redis.call('DEL', job, key('log', id))
redis.call('SET', key('tomb', id), '{"at":' .. text(at) .. ',"why":' .. cjson.encode(input.why) .. '}', 'PX', input.tomb_ms)
count('purged')
return answer({purged = true, settled = have[8] ~= 'PENDING'})
