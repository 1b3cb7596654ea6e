-- A worker shows itself, before its first step and every ten seconds, and hears what the installation has agreed on.
--
-- Whose it is: the first worker binds the ledger to its vendor; another vendor is refused. A simulated vendor costs
-- nothing, so that the ledger follows it to another address.
--
-- What it may use: a limit is what all living workers that name it say. Where they differ, and where none names it any
-- more, it stays as it is: no worker lifts a limit by leaving it out, and none changes what another one names.
--
-- input.account      the account's name
-- input.address      where the vendor is
-- input.simulated    whether it is the simulator
-- input.only_look    answer, and bind nothing
-- input.worker       {id, record = {…, limits = {NAME = text}}}, where it is a worker that asks
-- input.life_ms      how long a worker that shows itself no more is taken for living
-- Gives {refused = false, limits = {NAME = text}, changes = {{NAME, text before or false, text}, …}}; or what differs:
-- {refused = 'simulated' | 'address', address, simulated} of the ledger's own.

local LIMITS = {'max_in_flight', 'rescue_ms', 'submit_rate', 'poll_rate', 'credits_per_day'}
local account = key('account', input.account)
local have = redis.call('HMGET', account, 'address', 'simulated', 'address_before', 'before_until')
local simulated = input.simulated and '1' or '0'

local function is_known(what, now, before)
  return what == now or (what == before and at < tonumber(have[4] or 0))
end

local function difference()
  if not have[1] then return false end
  if simulated ~= have[2] then return 'simulated' end
  if not input.simulated and not is_known(input.address, have[1], have[3]) then return 'address' end
  return false
end

-- Calls `visit` with the record of each living worker; forgets the others.
local function each_living(visit)
  local flat = redis.call('HGETALL', key('workers'))
  for i = 1, #flat, 2 do
    local record = cjson.decode(flat[i + 1])
    if record.at > at - input.life_ms then visit(record) else redis.call('HDEL', key('workers'), flat[i]) end
  end
end

local function agreed()
  local said = {}
  each_living(function(record)
    for name, value in pairs(record.limits) do
      if said[name] == nil or said[name] == value then said[name] = value else said[name] = false end
    end
  end)
  return said
end

local refused = difference()
if refused then return answer({refused = refused, address = have[1], simulated = have[2] == '1'}) end
if input.only_look then return answer({refused = false}) end

if not have[1] then
  redis.call('HSET', account, 'address', input.address, 'simulated', simulated, 'since', text(at))
elseif input.simulated and input.address ~= have[1] then
  redis.call('HSET', account, 'address', input.address)
end
local changes, in_force = {}, {}
if input.worker then
  input.worker.record.at = at
  redis.call('HSET', key('workers'), input.worker.id, cjson.encode(input.worker.record))
  local said = agreed()
  for _, name in ipairs(LIMITS) do
    local before = redis.call('HGET', key('limits'), name)
    if said[name] and tonumber(before or '') ~= tonumber(said[name]) then
      changes[#changes + 1] = {name, before, said[name]}
      set_limits(name, said[name])
    end
    in_force[name] = said[name] and said[name] or before or nil
  end
end
return answer({refused = false, limits = in_force, changes = changes})
