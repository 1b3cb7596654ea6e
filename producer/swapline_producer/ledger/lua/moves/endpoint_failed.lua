-- A delivery to an endpoint failed. An endpoint that is gone, or has failed for so long without a success, is disabled.
--
-- input.endpoint, input.tenant, input.address    its id, its tenant, its URL as shown to people
-- input.error, input.status                      the last attempt's
-- input.gone, input.patience_ms                  it said 410; how long it may fail
-- input.keep_ms                                  lifetime of its record after its last failure
-- Returns {disabled}: whether it is, now.

local name = key('endpoint', input.endpoint)
redis.call('HSETNX', name, 'failing_since', text(at))
redis.call('HINCRBY', name, 'failures', 1)
redis.call('HSET', name, 'tenant', input.tenant, 'address', input.address, 'error', input.error, 'status', input.status,
  'failed_at', text(at))
local have = redis.call('HMGET', name, 'failing_since', 'disabled_at')
local disabled = have[2]
if not disabled and (input.gone or at - tonumber(have[1]) >= input.patience_ms) then
  redis.call('HSET', name, 'disabled_at', text(at), 'reason', input.gone and 'gone' or 'failing')
  count('endpoints_disabled')
  disabled = true
end
redis.call('PEXPIRE', name, text(input.keep_ms)) -- of a disabled one too: the next delivery tries it again
redis.call('ZREMRANGEBYSCORE', key('endpoints'), '-inf', text(at))
redis.call('ZADD', key('endpoints'), text(at + input.keep_ms), input.endpoint)
redis.call('PEXPIRE', key('endpoints'), text(input.keep_ms))
return answer({disabled = disabled and true or false})
