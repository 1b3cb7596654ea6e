-- A person has mended what the submission breaker is open for: it is tried now.
--
-- Returns {granted, open = whether the breaker is open, probing = whether a job is being submitted, free}: no job probes
-- where one is being submitted already, no slot is free, or nothing waits.

local open = is_refusing()
if open then set_breaker('closed_until', text(at), 'others_from', text(at)) end
local probing = is_probing()
local granted = grant()
local free = usable_slots() - redis.call('ZCARD', key('slots'))
return answer({granted = granted, open = open, probing = probing, free = free})
