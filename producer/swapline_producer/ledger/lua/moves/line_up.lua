-- Put a queued job in the waiting line, and grant free slots. Repeatable.
--
-- input.id, input.version
-- Returns {granted = {{ID, version, attempts}, …}}, or {stale = true}.

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'state', 'version', 'priority', 'tenant', 'created_at', 'queue_until', 'account')
if have[1] ~= 'QUEUED' or have[2] ~= input.version then return answer({stale = true}) end
if accounts() then use(have[7] or 'default') end
redis.call('ZREM', own('refused'), input.id) -- its expiry is sent early where the server's time went back
join_line(input.id, have[3], have[4], have[5])
set_due(input.id, tonumber(have[6])) -- parked: due next when it expires
return answer({granted = grant(nil, accounts() and pooled.idle(input.id))})
