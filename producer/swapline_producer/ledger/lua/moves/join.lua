-- A worker shows itself, before its first step and every 10 s, and gets the limits and accounts that are in force.
--
-- Vendor: the first worker binds the ledger to its vendor's accounts; another vendor, or another key, is refused.
-- A key that was mistyped at first is corrected by a restart: where nothing was ever sent and no other worker lives,
-- another key takes its place. A simulated vendor costs nothing, so that its ledger follows it to any address. Where
-- accounts have names, another key under the same name is the account's new key.
--
-- Limits: a limit is what all living workers that name it agree on. Where they differ, or none names it any more, it
-- stays as it is: no worker lifts a limit by leaving it out, or changes what another one names. The same goes for the
-- weight and the labels of an account. The accounts that may be used are those that every living worker knows; one with
-- unfinished jobs cannot be left out.
--
-- input.vendors      {{name (of the account), address (where the vendor is), simulated (whether it is the simulator),
--                    key (fingerprint, SALT:HASH; '' where none is shown)}, …}
-- input.named        whether the worker's settings name its accounts
-- input.check_only    answer, and bind nothing
-- input.worker       {id, record = {…, limits = {NAME = text}, accounts = {NAME = {limits, about = JSON}} or nothing}}, where
--                    the caller is a worker
-- input.life_ms      how long a worker that is not seen counts as living
-- Returns {refused = false, limits = {NAME = text}, changes = {{NAME, text before or false, text, account or nothing}, …},
-- new_keys = {account, …}}; or what differs: {refused = 'simulated' | 'address' | 'key' | 'salt', account, address,
-- simulated, key} of the ledger's own. 'salt': nothing can be compared; repeat with the ledger's salt.
-- {refused = 'jobs', account, jobs}: an account is left out that has jobs; {refused = 'pinned', account, tenant}: to which a
-- tenant is pinned.

local LIMITS = {'rescue_ms', 'poll_rate'}
local OF_ACCOUNT = {'max_in_flight', 'submit_rate', 'credits_per_day'}
local SALT = 33 -- characters before the hash
local me = input.worker and input.worker.id or ''
local living -- {ID = record}

-- The records of the living workers; forgets the others.
local function each_living(visit)
  if not living then
    living = {}
    local records = redis.call('HGETALL', key('workers'))
    for i = 1, #records, 2 do
      local record = cjson.decode(records[i + 1])
      if record.at > at - input.life_ms then
        living[records[i]] = record
      else
        redis.call('HDEL', key('workers'), records[i])
      end
    end
  end
  for id, record in pairs(living) do visit(record, id) end
end

-- What was right before `adopt` is taken for a while, and for good of a worker that has been working with it.
local function is_known(have, what, now, before)
  if what == now then return true end
  if what ~= before then return false end
  return at < tonumber(have.before_until or 0) or redis.call('HEXISTS', key('workers'), me) == 1
end

local function is_unused()
  local sent = redis.call('HMGET', key('count'), 'submitted', 'ambiguous', 'resolved')
  if sent[1] or sent[2] or sent[3] then return false end
  if redis.call('EXISTS', key('state', 'SUBMITTING'), key('state', 'HELD')) > 0 then return false end
  local alone = true
  each_living(function(_, id) alone = alone and id == me end)
  return alone
end

local function difference(vendor, have)
  if not have.address then return false end
  if vendor.simulated ~= (have.simulated == '1') then return 'simulated' end
  if vendor.simulated then return false end
  if not is_known(have, vendor.address, have.address, have.address_before) then return 'address' end
  if vendor.key == '' or not have.key or is_known(have, vendor.key, have.key, have.key_before) then return false end
  if string.sub(vendor.key, 1, SALT) ~= string.sub(have.key, 1, SALT) then return 'salt' end
  return not input.named and not is_unused() and 'key'
end

-- Unfinished jobs that only an account may finish.
local function jobs_of(name)
  if accounts() then return redis.call('ZCARD', key('jobs', name)) end
  local jobs = 0
  for state in pairs(AT) do jobs = jobs + redis.call('ZCARD', key('state', state)) end
  return jobs
end

local function bind(vendor, name, have)
  if not have.address then
    redis.call('HSET', name, 'address', vendor.address, 'simulated', vendor.simulated and '1' or '0', 'key', vendor.key, 'since', text(at))
    return false
  end
  if vendor.simulated and vendor.address ~= have.address then redis.call('HSET', name, 'address', vendor.address) end
  if vendor.key == '' or is_known(have, vendor.key, have.key, have.key_before) then return false end
  if input.named and have.key then
    redis.call('HSET', name, 'address_before', have.address, 'key_before', have.key, 'before_until', text(at + input.before_ms))
  end
  redis.call('HSET', name, 'key', vendor.key)
  return have.key ~= nil
end

-- What all who name something agree on: {NAME = text}, and false where they differ. `named_by` returns what one names.
local function agreed(named_by)
  local named = {}
  each_living(function(record)
    for name, value in pairs(named_by(record) or {}) do
      if named[name] == nil or named[name] == value then named[name] = value else named[name] = false end
    end
  end)
  return named
end

local changes, in_force = {}, {}

local function put_in_force(names, named, of_account)
  use(of_account or 'default')
  for _, name in ipairs(names) do
    local before = redis.call('HGET', own('limits'), name)
    if named[name] and tonumber(before or '') ~= tonumber(named[name]) then
      changes[#changes + 1] = {name, before, named[name], of_account}
      set_limits(name, named[name])
    end
    if not of_account then in_force[name] = named[name] or before or nil end
  end
  use('default')
end

-- The accounts that every living worker knows, by name; whether any worker names its accounts.
local function common()
  local found, several = nil, accounts() and true or false
  each_living(function(record)
    local mine = {default = true}
    if record.accounts then
      mine, several = record.accounts, true
    end
    local both = {}
    for name in pairs(found or mine) do both[name] = mine[name] and true or nil end
    found = both
  end)
  return found, several
end

-- What an account refused that is left out waits for the others.
local function refused_go_on(name)
  use(name)
  for _, id in ipairs(redis.call('ZRANGE', own('refused'), 0, -1)) do stand_again(id) end
  use('default')
end

-- Publish the accounts. The first time, the jobs that there are belong to `default`.
local function publish()
  local names, several = common()
  if not several or not next(names) then return end
  local about, before, list = agreed(function(record)
    local all = {}
    for name, one in pairs(record.accounts or {}) do all[name] = one.about end
    return all
  end), {}, {}
  for _, one in ipairs(accounts() and pooled.list() or {}) do before[one.name] = one end
  for name in pairs(names) do
    local one = about[name] and cjson.decode(about[name]) or before[name] or {weight = 1, labels = {}, versions = {'v5', 'v6'}, scope = ''}
    list[#list + 1] = {name = name, weight = one.weight, labels = one.labels, versions = one.versions, scope = one.scope}
  end
  table.sort(list, function(one, other) return one.name < other.name end)
  if not accounts() then
    for state, code in pairs(AT) do
      for _, id in ipairs(redis.call('ZRANGE', key('state', state), 0, -1)) do redis.call('ZADD', key('jobs', 'default'), code, id) end
    end
  end
  local all, lacking = {}, {}
  redis.call('DEL', key('known'))
  for _, one in ipairs(list) do
    all[#all + 1] = one.name
    redis.call('HSET', key('known'), one.name, cjson.encode(one))
    local speaks = {}
    for _, version in ipairs(one.versions) do speaks[version] = true end
    for _, version in ipairs({'v5', 'v6'}) do
      if not speaks[version] then lacking[#lacking + 1] = version end
    end
  end
  set_limits('accounts', table.concat(all, ','), 'partial', table.concat(lacking, ','))
  known = nil
  accounts()
  for name in pairs(next(before) and before or {default = true}) do
    if not names[name] then refused_go_on(name) end
  end
end

local records, refused = {}, nil
for _, vendor in ipairs(input.vendors) do
  records[vendor.name] = whole(key('account', vendor.name))
  local differs = not refused and difference(vendor, records[vendor.name])
  if differs then
    local have = records[vendor.name]
    refused = {refused = differs, account = vendor.name, address = have.address, simulated = have.simulated == '1', key = have.key or ''}
  end
end
for _, one in ipairs(accounts() and pooled.list() or {{name = 'default'}}) do
  local jobs = not refused and not records[one.name] and jobs_of(one.name) or 0
  if jobs > 0 then refused = {refused = 'jobs', account = one.name, jobs = jobs} end
end

-- Jobs that wait for accounts that are left out, and for no other; or a tenant whose jobs would.
local function left_waiting()
  local mine, others = {}, {}
  for name, one in pairs(input.worker.record.accounts or {default = {}}) do
    mine[name] = pooled.read(one.about or cjson.encode({labels = {}, versions = {'v5', 'v6'}}), name)
  end
  for _, one in ipairs(pooled.list()) do
    if not mine[one.name] then others[#others + 1] = one end
  end
  local function serve(list, pool)
    for _, one in pairs(list) do
      if pooled.serves(one, pool) then return one.name end
    end
  end
  for _, pool in ipairs(pooled.pools()) do
    if not serve(mine, pool) then
      local jobs = 0
      for _, priority in ipairs(PRIORITIES) do
        for _, index in ipairs({'line', 'capped'}) do
          for _, tenant in ipairs(redis.call('ZRANGE', key(index, pooled.subline(priority, pool)), 0, 999)) do
            jobs = jobs + redis.call('ZCARD', key('line', pooled.subline(priority, pool), tenant))
          end
        end
      end
      if jobs > 0 then return {refused = 'jobs', account = serve(others, pool) or pool, jobs = jobs} end
    end
  end
  for _, one in ipairs(others) do
    use(one.name)
    local jobs = 0
    for _, id in ipairs(redis.call('ZRANGE', own('refused'), 0, -1)) do
      if not serve(mine, pooled.pool_of(id)) then jobs = jobs + 1 end
    end
    use('default')
    if jobs > 0 then return {refused = 'jobs', account = one.name, jobs = jobs} end
    for tenant, pool in pairs(whole(key('pins'))) do
      if pooled.serves(one, pool) and not serve(mine, pool) then
        return {refused = 'pinned', account = one.name, tenant = tenant}
      end
    end
  end
end
if not refused and input.worker and accounts() then refused = left_waiting() end
if refused then return answer(refused) end
if input.check_only then return answer({refused = false}) end

local new_keys = {}
for _, vendor in ipairs(input.vendors) do
  if bind(vendor, key('account', vendor.name), records[vendor.name]) then new_keys[#new_keys + 1] = vendor.name end
end
if input.worker then
  each_living(function() end)
  input.worker.record.at = at
  living[me] = input.worker.record
  redis.call('HSET', key('workers'), me, cjson.encode(input.worker.record))
  local before = {}
  for _, one in ipairs(accounts() and pooled.list() or {}) do before[one.name] = true end
  publish()
  put_in_force(LIMITS, agreed(function(record) return record.limits end))
  if not accounts() then put_in_force(OF_ACCOUNT, agreed(function(record) return record.limits end)) end
  for _, one in ipairs(accounts() and pooled.list() or {}) do
    local function of_one(record)
      if record.accounts then return record.accounts[one.name] and record.accounts[one.name].limits end
      return one.name == 'default' and record.limits or nil
    end
    put_in_force(OF_ACCOUNT, agreed(of_one), one.name)
    if not before[one.name] then -- it has nothing to do
      use(one.name)
      redis.call('ZADD', key('free'), one.weight * own_limit('slots', own_limit('max_in_flight', 3)), one.name)
    end
  end
end
return answer({refused = false, limits = in_force, changes = changes, new_keys = new_keys})
