-- One request with an API key: whose it is, and whether it comes too soon (GCRA: `tat` is when the bucket is full
-- again). One round trip, so that a revoked key is refused at once and all gateways count together.
--
-- input.hash                   the key's SHA-256
-- input.rate, input.burst      limits of keys that have none of their own: requests a second, and at once
-- Gives {unknown=true}, or {fields (flat), rate, burst, remaining, reset_ms, retry_ms}; retry_ms where it is refused.

local name = key('api_key', input.hash)
local fields = redis.call('HGETALL', name)
if #fields == 0 then return answer({unknown = true}) end

local have = {}
for i = 1, #fields, 2 do have[fields[i]] = fields[i + 1] end
local rate = tonumber(have.rate or input.rate)
local burst = tonumber(have.burst or input.burst)
local step = 1000 / rate
local full_at = math.max(tonumber(have.tat or 0), at) + step
local too_soon = full_at - burst * step - at
if too_soon > 0 then
  local reset_ms = full_at - step - at
  return answer({fields = fields, rate = rate, burst = burst, remaining = 0, reset_ms = reset_ms, retry_ms = too_soon})
end
redis.call('HSET', name, 'tat', string.format('%.3f', full_at), 'used_at', text(at))
local left = math.floor((burst * step - (full_at - at)) / step + 0.001)
return answer({fields = fields, rate = rate, burst = burst, remaining = left, reset_ms = full_at - at, retry_ms = 0})
