-- A producer is about to store an input, or to use one that is there: until its job is accepted nobody deletes it. Doing
-- it twice is doing it once.
--
-- input.sha, input.id    the input, and the job that is to be
-- input.ttl_ms           how long at most
-- Gives {held = true, there = whether somebody has stored it, or is about to}, or {wait_ms} while it is being deleted.

local lease = tonumber(redis.call('ZSCORE', key('deleting'), input.sha))
if lease and lease > at then return answer({wait_ms = lease - at}) end
if lease then redis.call('ZREM', key('deleting'), input.sha) end
local hold = hold_of(input.sha, input.id)
local new = redis.call('ZADD', key('unneeded'), 'NX', text(at + input.ttl_ms), hold) == 1
return answer({held = true, there = new and need_input(input.sha)})
