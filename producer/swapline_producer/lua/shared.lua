-- What every move shares. Put before each of the other files; runs nothing by itself.
--
-- ARGV[1]  the key prefix, P below
-- ARGV[2]  the time in milliseconds, or '' for the server's own clock (tests bring their own)
-- ARGV[3]  the move's arguments as JSON
--
-- Keys
--   P:job:ID          hash    one job, every field as text
--   P:log:ID          list    its events, JSON, oldest first
--   P:due             zset    ID -> when someone must act next; one entry for each job that is not at rest
--   P:state:STATE     zset    ID -> when it came into that state
--   P:slots           zset    ID -> since when it holds one of the vendor's slots
--   P:line:PRIO       zset    TENANT -> how often it was served (tenants with waiting jobs only)
--   P:line:PRIO:T     zset    ID -> when it was accepted (the waiting jobs of tenant T)
--   P:limits          hash    max_in_flight, rescue_ms, cap, grow_at
--   P:gate            hash    closed_until, strikes, reason
--   P:clocks          zset    CLOCK -> when it last claimed (one for each worker process)
--   P:count           hash    counters of the whole system
--   P:hist:NAME       hash    bucket -> how often
--   P:key:TENANT:KEY  string  idempotency key -> FINGERPRINT ID
--   P:done:ID         channel a job has finished

local P, input = ARGV[1], cjson.decode(ARGV[3])
local GROW_EVERY = 30000 -- ms between two attempts to use one slot more after the vendor said 429

local function clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local at = clock()

local function text(ms) return string.format('%.0f', ms) end

local function key(...) return P .. ':' .. table.concat({...}, ':') end

local function limit_of(name, otherwise)
  return tonumber(redis.call('HGET', key('limits'), name) or otherwise)
end

local function rescue_at() return at + limit_of('rescue_ms', 15000) end

local function set_due(id, when)
  if when then redis.call('ZADD', key('due'), text(when), id) else redis.call('ZREM', key('due'), id) end
end

local function count(name, by) redis.call('HINCRBY', key('count'), name, by or 1) end

local function log(id, name, data)
  local line = '{"at":' .. text(at) .. ',"name":' .. cjson.encode(name) .. ',"data":' .. (data or '{}') .. '}'
  redis.call('RPUSH', key('log', id), line)
end

-- The job moves from one state's index to the next one's.
local function move(id, from, to)
  if from == to then return end
  if from then redis.call('ZREM', key('state', from), id) end
  redis.call('ZADD', key('state', to), text(at), id)
end

local function join_line(id, priority, tenant, created_at)
  redis.call('ZADD', key('line', priority, tenant), 'NX', created_at, id)
  -- A tenant that comes (back) starts level with the one served last: waiting earns no credit.
  local first = redis.call('ZRANGE', key('line', priority), 0, 0, 'WITHSCORES')
  redis.call('ZADD', key('line', priority), 'NX', first[2] or '0', tenant)
end

local function leave_line(id, priority, tenant)
  redis.call('ZREM', key('line', priority, tenant), id)
  if redis.call('EXISTS', key('line', priority, tenant)) == 0 then
    redis.call('ZREM', key('line', priority), tenant)
  end
end

-- The job whose turn it is: by priority, then the tenant served least, then the oldest.
local function next_in_line()
  for _, priority in ipairs({'high', 'normal', 'low'}) do
    local tenant = redis.call('ZRANGE', key('line', priority), 0, 0)[1]
    if tenant then
      local popped = redis.call('ZPOPMIN', key('line', priority, tenant))
      if redis.call('EXISTS', key('line', priority, tenant)) == 1 then
        redis.call('ZINCRBY', key('line', priority), 1, tenant)
      else
        redis.call('ZREM', key('line', priority), tenant)
      end
      if popped[1] then return popped[1] end
    end
  end
end

local function anyone_waits()
  for _, priority in ipairs({'high', 'normal', 'low'}) do
    if redis.call('EXISTS', key('line', priority)) == 1 then return true end
  end
  return false
end

-- How many slots may be used now: the setting, or less while the vendor said 429 lately.
local function usable_slots()
  local most = limit_of('max_in_flight', 3)
  local cap = limit_of('cap', most)
  if cap < most and at >= limit_of('grow_at', 0) then
    cap = cap + 1
    redis.call('HSET', key('limits'), 'cap', cap, 'grow_at', text(at + GROW_EVERY))
  end
  return math.min(most, cap)
end

local function gate_opens_at() return tonumber(redis.call('HGET', key('gate'), 'closed_until') or 0) end

-- After a strike one job goes first; the others follow when the vendor has accepted it.
local function probing()
  local strikes = tonumber(redis.call('HGET', key('gate'), 'strikes') or 0)
  return strikes > 0 and redis.call('ZCARD', key('state', 'SUBMITTING')) > 0
end

local function give_slot(id)
  local job = key('job', id)
  local turn = redis.call('HINCRBY', job, 'turn', 1)
  redis.call('HSET', job, 'state', 'SUBMITTING', 'slot', '1', 'sent', turn, 'token', '')
  redis.call('ZADD', key('slots'), text(at), id)
  move(id, 'QUEUED', 'SUBMITTING')
  set_due(id, rescue_at())
  log(id, 'slot')
  return {id, turn, tonumber(redis.call('HGET', job, 'attempts') or 0)}
end

-- Free slots go to the jobs whose turn it is. Gives {ID, turn, attempts} of each.
local function grant()
  local granted = {}
  if not anyone_waits() or at < gate_opens_at() then return granted end
  local free = usable_slots() - redis.call('ZCARD', key('slots'))
  while free > 0 and not probing() do
    local id = next_in_line()
    if not id then break end
    if redis.call('HGET', key('job', id), 'state') == 'QUEUED' then
      granted[#granted + 1] = give_slot(id)
      free = free - 1
    end
  end
  return granted
end

local function answer(result)
  result.at = at
  return cjson.encode(result)
end
