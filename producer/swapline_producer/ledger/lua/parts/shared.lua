-- Shared by all moves. Put before meter.lua, line.lua and the move; runs nothing by itself.
--
-- ARGV[1]  the key prefix, P below
-- ARGV[2]  the time in milliseconds, or '' for the server's own clock (tests pass theirs)
-- ARGV[3]  the move's arguments as JSON
-- ARGV[4]  the replication id of the server, of moves that ask for it (see servers.lua)
--
-- Keys
--   P:job:ID          hash    one job, every field as text; `holds_input` while it may need its stored input
--   P:log:ID          list    its events, JSON, oldest first
--   P:due             zset    ID -> when a step has to act next; one entry for each job that is not at rest
--   P:state:STATE     zset    ID -> when it came into that state (QUEUED: since when it waits, whatever came between)
--   P:slots           zset    ID -> since when it holds one of the vendor's slots
--   P:line:PRIO       zset    TENANT -> its start tag, the smallest is next (tenants with waiting jobs only)
--   P:line:PRIO:T     zset    ID -> when it was accepted (the waiting jobs of tenant T)
--   P:capped:PRIO     zset    TENANT -> when its day is over (tenants with waiting jobs whose daily credits are spent)
--   P:slots:NAME, P:limits:NAME, P:breaker:NAME, P:refused:NAME, P:level:NAME    the same of a further account; what else
--                             there is then is in accounts.lua
--   P:limits          hash    accounts (their names, where there are several), partial, drained (1 while the account gets no new jobs),
--                             max_in_flight, slots (set by a person), slots_by (whom),
--                             slots_before (while they are suspended), rescue_ms, cap, grow_at, submit_rate,
--                             credits_per_day, next_submit_at, poll_rate, next_poll_at, claimed_at,
--                             late (ms: the sum of how late claims were), sampled_at, sampled_waiting (see sample.lua)
--   P:caps            hash    TENANT -> credits a day
--   P:spent:DAY       hash    credits spent on a day (days since the epoch, UTC): `all`, by `tenant:T`, and, of several
--                             accounts, by `account:NAME` and `account:NAME:tenant:T`
--   P:breaker         hash    the submission breaker. While it is open: trips (refusals in a row), of_kind (those of the
--                             last kind in a row), pauses (the same, without calls that were under way together), kind
--                             and reason of the last, `by`, `job` and `tenant` (the input, or the job, and the job and
--                             tenant that it was about), several (1 once more than one was refused), closed_until
--                             (those refused, and every job where `several`), others_from (the others), asked_until (the
--                             vendor named a time). Always: accepted, read (acceptances, and inputs read, since a
--                             refusal), beside (most others in flight at one), refused_at, paused_until, own_as, own_at
--                             (jobs refused for their own sake), cap_by, cap_before, cap_beside (a 429 that may be one
--                             job's own)
--   P:refused         zset    ID -> from when it may stand in line again (QUEUED jobs that wait for the breaker)
--   P:store           hash    while results cannot be stored: see store.lua
--   P:trimmed         string  there for a minute after the indexes of finished jobs were trimmed
--   P:dispatchers     zset    DISPATCHER -> when it last claimed (one for each worker process)
--   P:count           hash    counters of the whole system
--   P:meter, P:level  hashes  what the metrics are made of: see meter.lua
--   P:history:SECONDS lists   the counts of each minute, quarter of an hour and hour: see sample.lua
--   P:poll_failures   zset    ID -> when a poll of it last failed; see meter.lua
--   P:hist:NAME       hash    service times: bucket -> jobs in it (they fade), jobs -> how many in all
--   P:key:TENANT:KEY  string  idempotency key -> FINGERPRINT ID
--   P:vendor_id:ID    string  (SCOPE/ID where accounts are of several vendors) the vendor's id of a job -> ID of ours, until a day after its end: see advance.lua
--   P:batch:TENANT:NAME      zset  ID -> when it was accepted (the jobs of a batch)
--   P:job:batch:TENANT:NAME  hash  a batch: `jobs`, `finished`, `credits`, `state:S` and `code:C` count; `ever` counts all that
--                             joined, `completed_at_ever` is `ever` when it was last completed; `sealed`, `webhook_url`, `counts`
--                             (its webhook's payload), and version, notification … as a job has them
--   P:dead            zset    ID -> since when its webhook is given up (jobs)
--   P:retrying        zset    ID -> when its webhook last failed; it is tried again (jobs)
--   P:dead:batches, P:retrying:batches    the same for batches
--   P:endpoints       zset    ENDPOINT -> when its record expires (those that fail or are disabled only)
--   P:endpoint:ID     hash    tenant, address, failing_since, failures, failed_at, error, status, disabled_at, reason
--   P:done:ID         channel a job has finished
--   P:moved:ID        channel a line was added to the log of a job; its name
--   P:inputs          hash    SHA-256 of an input -> how many jobs and holds may still need it
--   P:unneeded        zset    what may be deleted -> from when on: inputs/SHA, a folder of results;
--                             and hold/SHA/ID, which ends then (see needs.lua)
--   P:deleting        zset    SHA-256 of an input that is being deleted -> until when that may take
--   P:deletions       hash    `last` and the first three digits of inputs' hashes -> number of the last deletion (see needs.lua)
--   P:swept           string  there for a while after due objects were deleted
--   P:task:NAME       string  the same for periodic tasks: the search for orphans
--   P:crawl           hash    how far the search for orphans has come: AREA -> last key
--   P:account:NAME    hash    the account of the jobs: address, simulated (0, 1), key (its fingerprint,
--                             SALT:HASH), since; address_before, key_before, before_until: see adopt.lua
--   P:api_keys        hash    KEY_ID -> SHA-256 of the key
--   P:api_key:SHA     hash    an API key: key_id, tenant, scopes, note, created_at, used_at, rate, burst, max_body, tat: see admit.lua
--   P:webhook_secrets:TENANT  hash  SECRET_ID -> secret, created_at, until: JSON (ledger/tenants/webhook_secrets.py)
--   P:workers         hash    WORKER -> its record, JSON (ledger/accounts/workers.py); `at` is when it was last seen
--   P:owner           hash    name: of this installation, as its store has it; stored: that a store has it
--   P:servers         zset    REPLICATION_ID -> when a worker first met that server: see servers.lua
--   P:purging         zset    ID -> when to try again to purge it (jobs that have not ended)
--   P:tomb:ID         string  a purged job: when and why, JSON

local P, input = ARGV[1], cjson.decode(ARGV[3])

local function clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local at = clock()

local function text(ms) return string.format('%.0f', ms) end

local function key(first, second, third)
  if third then return P .. ':' .. first .. ':' .. second .. ':' .. third end
  if second then return P .. ':' .. first .. ':' .. second end
  return P .. ':' .. first
end

-- Short hashes are read once in a move, whole: each command costs more than their fields.
local hashes = {}

local function whole(name)
  if not hashes[name] then
    local flat, fields = redis.call('HGETALL', name), {}
    for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
    hashes[name] = fields
  end
  return hashes[name]
end

local function limit_of(name, otherwise) return tonumber(whole(key('limits'))[name] or otherwise) end

local function rescue_at() return at + limit_of('rescue_ms', 15000) end

local function set_due(id, when)
  if when then redis.call('ZADD', key('due'), text(when), id) else redis.call('ZREM', key('due'), id) end
end

-- A move's counts are summed up here and written at its end: one read and one write for each hash.
local sums = {count = {}, meter = {}}

local function add(to, name, by) sums[to][name] = (sums[to][name] or 0) + by end

local function count(name, by) add('count', name, by or 1) end

local function write_sums(hash, numbers)
  local names, new = {}, {}
  for name in pairs(numbers) do names[#names + 1] = name end
  if #names == 0 then return end
  if #names == 1 then return redis.call('HINCRBY', hash, names[1], text(numbers[names[1]])) end
  local have = redis.call('HMGET', hash, unpack(names))
  for i, name in ipairs(names) do
    new[#new + 1] = name
    new[#new + 1] = text((have[i] or 0) + numbers[name])
  end
  redis.call('HSET', hash, unpack(new))
end

local LOG_FULL = 500 -- lines of one job: nearly fifty replays of all webhook attempts

-- Add a line to a job's log; drop the oldest of a full one.
local function log(id, name, data)
  local line = '{"at":' .. text(at) .. ',"name":' .. cjson.encode(name) .. ',"data":' .. (data or '{}') .. '}'
  if redis.call('RPUSH', key('log', id), line) > LOG_FULL then redis.call('LTRIM', key('log', id), -LOG_FULL, -1) end
  redis.call('PUBLISH', key('moved', id), name)
end

local function answer(result)
  for name, numbers in pairs(sums) do write_sums(key(name), numbers) end
  result.at = at
  return cjson.encode(result)
end
