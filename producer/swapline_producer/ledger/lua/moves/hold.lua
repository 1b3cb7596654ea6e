-- Hold an input of which its producer cannot tell that it is there: it is not deleted until its job is accepted.
-- Repeatable.
--
-- input.sha, input.id    the input, and the job
-- input.ttl_ms           longest hold
-- Returns {held = true, there = whether it is stored, or about to be, deletion = the last one}, or {wait_ms} while it is
-- being deleted.

local lease = tonumber(redis.call('ZSCORE', key('deleting'), input.sha))
if lease and lease > at then return answer({wait_ms = lease - at}) end
if lease then end_deletion(input.sha) end
local hold = hold_of(input.sha, input.id)
local new = redis.call('ZADD', key('unneeded'), 'NX', text(at + input.ttl_ms), hold) == 1
return answer({held = true, there = new and need_input(input.sha), deletion = last_deletion()})
