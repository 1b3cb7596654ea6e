-- The vendor's accounts, and which jobs each may take. Put after shared.lua.
--
-- With the one account `default` its keys are P:slots, P:limits, P:breaker, P:refused and P:level; every other account
-- has its name behind them (P:slots:NAME). There are several once P:limits has the field `accounts` (see join.lua):
-- JSON, {name, weight, labels, scope} of each that every living worker knows. From then on there are as well:
--
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

local function set_own_limits(...)
  redis.call('HSET', own('limits'), ...)
  hashes[own('limits')] = nil
end

local known, all_pools, sublines_by

-- The accounts that may be used; nothing while there is only `default`.
local function accounts()
  if known == nil then
    local list = whole(key('limits')).accounts
    known = list and cjson.decode(list) or false
    for _, one in ipairs(known or {}) do
      one.tokens = {[one.name] = true}
      for _, label in ipairs(one.labels) do one.tokens[label] = true end
      one.speaks = {}
      for _, version in ipairs(one.versions) do one.speaks[version] = true end
    end
  end
  return known
end

local function account_named(name)
  for _, one in ipairs(accounts() or {}) do
    if one.name == name then return one end
  end
end

local function serves(one, pool)
  local tokens, version = string.match(pool, '^([^@]*)@?(.*)$')
  if version ~= '' and one.speaks and not one.speaks[version] then return false end
  for token in string.gmatch(tokens, '[^,]+') do
    if one.tokens[token] then return true end
  end
  return tokens == ''
end

-- What a pool says of a version of the vendor's API: nothing where all accounts have it.
local function of_version(version)
  for _, one in ipairs(accounts()) do
    if not one.speaks[version] then return '@' .. version end
  end
  return ''
end

local function subline(priority, pool) return pool ~= '' and priority .. '/' .. pool or priority end

local function pool_in(in_subline) return string.match(in_subline, '/(.+)') or '' end

-- All pools of waiting jobs.
local function pools()
  if not all_pools then
    all_pools = {}
    for pool in pairs(whole(key('pools'))) do all_pools[#all_pools + 1] = pool end
    table.sort(all_pools)
  end
  return all_pools
end

-- The sublines of a priority that the account may take jobs from.
local function sublines_of(priority)
  if not accounts() then return {priority} end
  local name = account or 'default'
  sublines_by = sublines_by or {}
  if not sublines_by[name] then
    local one, found = account_named(name), {''}
    for _, pool in ipairs(one and pools() or {}) do
      if serves(one, pool) then found[#found + 1] = pool end
    end
    sublines_by[name] = found
  end
  local sublines = {}
  for _, pool in ipairs(sublines_by[name]) do sublines[#sublines + 1] = subline(priority, pool) end
  return sublines
end

local function forget_pools()
  hashes[key('pools')], all_pools, sublines_by = nil, nil, nil
end

local function add_pool(pool)
  if pool == '' or redis.call('HSETNX', key('pools'), pool, '1') == 0 then return end
  forget_pools()
end

-- Forget a pool without waiting jobs.
local function tidy_pool(pool)
  if pool == '' then return end
  local names = {}
  for _, priority in ipairs(PRIORITIES) do
    names[#names + 1] = key('line', subline(priority, pool))
    names[#names + 1] = key('capped', subline(priority, pool))
  end
  if redis.call('EXISTS', unpack(names)) > 0 then return end
  redis.call('HDEL', key('pools'), pool)
  forget_pools()
end

-- Where a job waits: its pool, and the account that refused it last.
local function place_of(id)
  if not accounts() then return '' end
  local have = redis.call('HMGET', key('job', id), 'pool', 'account')
  return have[1] or '', have[2]
end

-- Decide the pool of a job that joins the line: of the account that may have been charged for it, of its request, or of
-- its tenant.
local function choose_pool(id, tenant)
  if not accounts() then return '' end
  local have = redis.call('HMGET', key('job', id), 'bound', 'pin', 'pool', 'api')
  local pool = (have[1] or have[2] or redis.call('HGET', key('pins'), tenant) or '') .. of_version(have[4] or 'v6')
  if pool ~= (have[3] or '') then redis.call('HSET', key('job', id), 'pool', pool) end
  add_pool(pool)
  return pool
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

-- Number of jobs of the account that are being submitted.
local function submitting()
  if not accounts() then return redis.call('ZCARD', key('state', 'SUBMITTING')) end
  return redis.call('ZCOUNT', key('jobs', account or 'default'), 1, 1)
end

-- Call `visit` for each account in turn.
local function each_account(visit)
  for _, one in ipairs(accounts() or {{name = 'default'}}) do
    use(one.name)
    visit(one)
  end
  use('default')
end
