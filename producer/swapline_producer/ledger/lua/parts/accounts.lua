-- The vendor's accounts, and which jobs each may take. Put after shared.lua.
--
-- With the one account `default` its keys are P:slots, P:limits, P:breaker, P:refused and P:level; every other account
-- has its name behind them (P:slots:NAME). There are several once P:limits has the field `accounts` (see join.lua):
-- the names of those that every living worker knows, with commas; `partial` has the versions of the vendor's API that some
-- of them lack. From then on there are as well:
--
--   P:known            hash    NAME -> JSON: name, weight, labels, versions, scope (see ledger/accounts/workers.py)
--   P:jobs:NAME        zset    ID -> 1 SUBMITTING, 2 RUNNING, 3 STORING, 4 HELD: the unfinished jobs of an account
--   P:free             zset    NAME -> its free slots, times its weight (accounts with nothing to do only)
--   P:pools            hash    POOL -> 1: those of jobs that may use some accounts only, and wait
--   P:pins             hash    TENANT -> its POOL
--   P:served           hash    PRIO -> the last start tag, over the sublines of all pools
--
-- A POOL is a list of names and labels of accounts, sorted, with commas, and @VERSION where not all accounts have that
-- version of the vendor's API. Its jobs wait in sublines of their own,
-- P:line:PRIO/POOL and P:line:PRIO/POOL:TENANT, which an account reads beside P:line:PRIO.

local PRIORITIES = {'high', 'normal', 'low'}
local AT = {SUBMITTING = 1, RUNNING = 2, STORING = 3, HELD = 4}

local account -- the one that the functions below are about; nil for `default`

local function own(name) return account and key(name, account) or key(name) end

local function use(name)
  account = name ~= 'default' and name or nil
end

local function own_limit(name, otherwise) return tonumber(whole(own('limits'))[name] or otherwise) end

local function set_limits(...)
  redis.call('HSET', own('limits'), ...)
  hashes[own('limits')] = nil
end

-- The functions that are needed where there are several accounts. They are made only then: a move pays for each function.
local function several(text_of_names)
  local all, by_account -- the pools of waiting jobs; {NAME = {POOL, …}}
  local facts = {}

  local function forget() hashes[key('pools')], all, by_account = nil, nil, nil end

  local function read(text_of_one, name)
    local one = cjson.decode(text_of_one)
    one.name = one.name or name
    one.tokens, one.speaks = {[one.name] = true}, {}
    for _, label in ipairs(one.labels) do one.tokens[label] = true end
    for _, version in ipairs(one.versions) do one.speaks[version] = true end
    return one
  end

  local function named(name)
    if facts[name] == nil then
      local found = redis.call('HGET', key('known'), name)
      facts[name] = found and read(found) or false
    end
    return facts[name] or nil
  end

  -- All accounts that may be used. Most moves are about one.
  local function list()
    local found = {}
    for name in string.gmatch(text_of_names, '[^,]+') do found[#found + 1] = named(name) end
    return found
  end

  local function serves(one, pool)
    local tokens, version = string.match(pool, '^([^@]*)@?(.*)$')
    if version ~= '' and not one.speaks[version] then return false end
    for token in string.gmatch(tokens, '[^,]+') do
      if one.tokens[token] then return true end
    end
    return tokens == ''
  end

  local function subline(priority, pool) return pool ~= '' and priority .. '/' .. pool or priority end

  local function pools()
    if not all then
      all = {}
      for pool in pairs(whole(key('pools'))) do all[#all + 1] = pool end
      table.sort(all)
    end
    return all
  end

  -- The sublines of a priority that an account may take jobs from.
  local function sublines(name, priority)
    by_account = by_account or {}
    if not by_account[name] then
      local one, found = named(name), {''}
      for _, pool in ipairs(one and pools() or {}) do
        if serves(one, pool) then found[#found + 1] = pool end
      end
      by_account[name] = found
    end
    local found = {}
    for _, pool in ipairs(by_account[name]) do found[#found + 1] = subline(priority, pool) end
    return found
  end

  -- Forget the pool of a subline, where none of its jobs waits.
  local function tidy(in_subline)
    local pool, names = string.match(in_subline, '/(.+)'), {}
    if not pool then return end
    for _, priority in ipairs(PRIORITIES) do
      names[#names + 1] = key('line', subline(priority, pool))
      names[#names + 1] = key('capped', subline(priority, pool))
    end
    if redis.call('EXISTS', unpack(names)) > 0 then return end
    redis.call('HDEL', key('pools'), pool)
    forget()
  end

  -- Where a job waits: its pool, and the account that refused it last.
  local function place(id)
    local have = redis.call('HMGET', key('job', id), 'pool', 'account')
    return have[1] or '', have[2]
  end

  -- The pool of a job as things are now: of the account that may have been charged for it, of its request, or of its tenant.
  local function pool_of(id)
    local have = redis.call('HMGET', key('job', id), 'bound', 'pin', 'tenant', 'api')
    local version, partial = have[4] or 'v6', whole(key('limits')).partial or ''
    local pool = have[1] or have[2] or redis.call('HGET', key('pins'), have[3]) or ''
    return string.find(partial, version, 1, true) and pool .. '@' .. version or pool -- not all accounts have it
  end

  -- Decide the pool of a job that joins the line.
  local function choose(id)
    local pool = pool_of(id)
    if pool ~= place(id) then redis.call('HSET', key('job', id), 'pool', pool) end
    if pool ~= '' and redis.call('HSETNX', key('pools'), pool, '1') == 1 then forget() end
    return pool
  end

  -- The accounts that have nothing to do and may take a job: {NAME = true}.
  local function idle(id)
    local pool, names = place(id), {}
    for _, name in ipairs(redis.call('ZRANGE', key('free'), 0, -1)) do
      local one = named(name)
      if not one then redis.call('ZREM', key('free'), name) end
      if one and serves(one, pool) then names[name] = true end
    end
    return names
  end

  return {read = read, idle = idle, list = list, named = named, serves = serves, subline = subline, pools = pools, sublines = sublines, tidy = tidy,
    place = place, pool_of = pool_of, choose = choose}
end

local known, pooled

-- Whether there are several accounts; if so, `pooled` has `several`.
local function accounts()
  if known == nil then
    known = whole(key('limits')).accounts or false
    pooled = known and several(known)
  end
  return known
end

local function sublines_of(priority)
  return accounts() and pooled.sublines(account or 'default', priority) or {priority}
end

-- The job moves from one state's index to the next one's; `since` is when that counts from, if not from now.
local function move(id, from, to, since)
  if from == to then return end
  if from then redis.call('ZREM', key('state', from), id) end
  redis.call('ZADD', key('state', to), since or text(at), id)
  if not accounts() then return end
  if AT[to] then
    redis.call('ZADD', key('jobs', account or 'default'), AT[to], id)
  elseif AT[from] then
    redis.call('ZREM', key('jobs', account or 'default'), id)
  end
end

-- Whether a job waits that the account may take.
local function anyone_waits()
  if not accounts() then return redis.call('EXISTS', key('line', 'high'), key('line', 'normal'), key('line', 'low')) > 0 end
  local names = {}
  for _, priority in ipairs(PRIORITIES) do
    for _, in_subline in ipairs(sublines_of(priority)) do names[#names + 1] = key('line', in_subline) end
  end
  return redis.call('EXISTS', unpack(names)) > 0
end

-- Number of jobs of the account that are being submitted.
local function submitting()
  if not accounts() then return redis.call('ZCARD', key('state', 'SUBMITTING')) end
  return redis.call('ZCOUNT', key('jobs', account or 'default'), 1, 1)
end
