-- The account's vendor has moved, or has issued a new key: bind the ledger to these. The old ones are accepted for a
-- while, so that workers can be restarted one by one.
--
-- input.account, input.address, input.simulated, input.key    as in join.lua
-- input.before_ms    how long the old ones are accepted
-- input.silence_ms   a worker that has not claimed for this long does not run
-- Returns {changed}, or {unfinished = N} or {working = true} where the simulator would take the place of a vendor, or the
-- other way round, while jobs are open or a worker runs: those would go to the wrong one.

local account = key('account', input.account)
local have = redis.call('HMGET', account, 'address', 'simulated', 'key')
local simulated = input.simulated and '1' or '0'

if have[1] and simulated ~= have[2] then
  local unfinished = 0
  for _, state in ipairs({'QUEUED', 'SUBMITTING', 'RUNNING', 'STORING', 'HELD'}) do
    unfinished = unfinished + redis.call('ZCARD', key('state', state))
  end
  if unfinished > 0 then return answer({unfinished = unfinished}) end
  local last = redis.call('ZRANGE', key('dispatchers'), 0, 0, 'REV', 'WITHSCORES')
  if last[2] and tonumber(last[2]) > at - input.silence_ms then return answer({working = true}) end
  redis.call('DEL', account)
  have = {}
end
if have[1] == input.address and have[3] == input.key then return answer({changed = false}) end
if have[1] then
  redis.call('HSET', account, 'address_before', have[1], 'key_before', have[3] or '',
    'before_until', text(at + input.before_ms))
end
redis.call('HSET', account, 'address', input.address, 'simulated', simulated, 'key', input.key, 'since', text(at))
return answer({changed = true})
