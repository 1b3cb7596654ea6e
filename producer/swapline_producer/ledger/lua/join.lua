-- A worker shows itself, before its first step and every 10 s, and gets the limits that are in force.
--
-- Vendor: the first worker binds the ledger to its vendor's account; another vendor, or another key, is refused.
-- A key that was mistyped at first is corrected by a restart: where nothing was ever sent and no other worker lives,
-- another key takes its place. A simulated vendor costs nothing, so that its ledger follows it to any address.
--
-- Limits: a limit is what all living workers that name it agree on. Where they differ, or none names it any more, it
-- stays as it is: no worker lifts a limit by leaving it out, or changes what another one names.
--
-- input.account      the account's name
-- input.address      where the vendor is
-- input.simulated    whether it is the simulator
-- input.key          fingerprint of the key, SALT:HASH; '' where none is shown
-- input.check_only    answer, and bind nothing
-- input.worker       {id, record = {…, limits = {NAME = text}}}, where the caller is a worker
-- input.life_ms      how long a worker that is not seen counts as living
-- Returns {refused = false, limits = {NAME = text}, changes = {{NAME, text before or false, text}, …}}; or what differs:
-- {refused = 'simulated' | 'address' | 'key' | 'salt', address, simulated, key} of the ledger's own. 'salt': nothing
-- can be compared; repeat with the ledger's salt.

local LIMITS = {'max_in_flight', 'rescue_ms', 'submit_rate', 'poll_rate', 'credits_per_day'}
local SALT = 33 -- characters before the hash
local account = key('account', input.account)
local flat = redis.call('HGETALL', account)
local have = {}
for i = 1, #flat, 2 do have[flat[i]] = flat[i + 1] end
local simulated = input.simulated and '1' or '0'
local me = input.worker and input.worker.id or ''

-- Calls `visit` with the record of each living worker; forgets the others.
local function each_living(visit)
  local records = redis.call('HGETALL', key('workers'))
  for i = 1, #records, 2 do
    local record = cjson.decode(records[i + 1])
    if record.at > at - input.life_ms then
      visit(record, records[i])
    else
      redis.call('HDEL', key('workers'), records[i])
    end
  end
end

-- What was right before `adopt` is taken for a while, and for good of a worker that has been working with it.
local function is_known(what, now, before)
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

local function difference()
  if not have.address then return false end
  if simulated ~= have.simulated then return 'simulated' end
  if input.simulated then return false end
  if not is_known(input.address, have.address, have.address_before) then return 'address' end
  if input.key == '' or not have.key or is_known(input.key, have.key, have.key_before) then return false end
  if string.sub(input.key, 1, SALT) ~= string.sub(have.key, 1, SALT) then return 'salt' end
  return not is_unused() and 'key'
end

local function agreed()
  local named = {}
  each_living(function(record)
    for name, value in pairs(record.limits) do
      if named[name] == nil or named[name] == value then named[name] = value else named[name] = false end
    end
  end)
  return named
end

local refused = difference()
if refused then
  local own = {refused = refused, address = have.address, simulated = have.simulated == '1', key = have.key or ''}
  return answer(own)
end
if input.check_only then return answer({refused = false}) end

if not have.address then
  redis.call('HSET', account, 'address', input.address, 'simulated', simulated, 'key', input.key, 'since', text(at))
else
  if input.simulated and input.address ~= have.address then redis.call('HSET', account, 'address', input.address) end
  if input.key ~= '' and not is_known(input.key, have.key, have.key_before) then
    redis.call('HSET', account, 'key', input.key)
  end
end
local changes, in_force = {}, {}
if input.worker then
  input.worker.record.at = at
  redis.call('HSET', key('workers'), me, cjson.encode(input.worker.record))
  local named = agreed()
  for _, name in ipairs(LIMITS) do
    local before = redis.call('HGET', key('limits'), name)
    if named[name] and tonumber(before or '') ~= tonumber(named[name]) then
      changes[#changes + 1] = {name, before, named[name]}
      set_limits(name, named[name])
    end
    in_force[name] = named[name] or before or nil
  end
end
return answer({refused = false, limits = in_force, changes = changes})
