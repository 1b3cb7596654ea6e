-- A worker says with which vendor it would work. The first one binds the ledger to its vendor; another vendor is refused.
-- A simulated vendor costs nothing, so that the ledger follows it to another address.
--
-- input.account      the account's name
-- input.address      where the vendor is
-- input.simulated    whether it is the simulator
-- input.only_look    answer, and bind nothing
-- Gives {refused = false}, or what differs: {refused = 'simulated' | 'address', address, simulated} of the ledger's own.

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

local refused = difference()
if not refused and not input.only_look then
  if not have[1] then
    redis.call('HSET', account, 'address', input.address, 'simulated', simulated, 'since', text(at))
  elseif input.simulated and input.address ~= have[1] then
    redis.call('HSET', account, 'address', input.address)
  end
end
return answer({refused = refused, address = have[1], simulated = have[2] == '1'})
