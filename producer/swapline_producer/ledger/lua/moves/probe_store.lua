-- A probe of the store, while its breaker is open: one worker at a time writes a small object.
--
-- input.outcome    nothing: may this worker make one? `stored` or `failed`: how it went
-- input.reason     why it failed
-- input.lease_ms   how long a probe may take
-- Returns {probe}: whether to make one.

local AGAIN = 5000 -- ms after a failed probe: a store that is back is found soon, and a probe costs little

local name = key('store')
local have = redis.call('HMGET', name, 'open', 'probe_at')
if have[1] ~= '1' then return answer({probe = false}) end
if input.outcome == 'stored' then
  redis.call('HSET', name, 'open', '0')
  redis.call('PEXPIRE', name, FORGOTTEN)
  return answer({probe = false})
elseif input.outcome == 'failed' then
  redis.call('HSET', name, 'reason', input.reason, 'failed_at', text(at), 'probe_at', text(at + AGAIN))
  return answer({probe = false})
end
local wait = have[2] - at
if wait > 0 and wait <= math.max(LAST_PROBE, input.lease_ms) then return answer({probe = false}) end -- else: set back
redis.call('HSET', name, 'probe_at', text(at + input.lease_ms))
return answer({probe = true})
