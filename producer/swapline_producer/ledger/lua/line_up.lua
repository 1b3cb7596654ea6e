-- A queued job joins the waiting line, and free slots are given out. Doing it twice is doing it once.
--
-- input.id, input.version
-- Gives {granted = {{ID, turn, attempts}, …}}, or {stale = true}.

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'state', 'version', 'priority', 'tenant', 'created_at', 'queue_until')
if have[1] ~= 'QUEUED' or have[2] ~= input.version then return answer({stale = true}) end
redis.call('ZREM', key('refused'), input.id) -- a clock that was set back sends the message of its expiry early
join_line(input.id, have[3], have[4], have[5])
set_due(input.id, tonumber(have[6])) -- parked: the next thing that must happen by time alone is its expiry
return answer({granted = grant()})
