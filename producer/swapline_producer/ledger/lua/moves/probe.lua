-- A person has mended what the submission breaker is open for: it is tried now.
--
-- Returns {granted, open = whether the breaker is open, probing = whether a job is being submitted, free}: no job probes
-- where one is being submitted already, no slot is free, or nothing waits.

local open, probing = false, false
each_account(function()
  if is_refusing() then
    open = true
    set_breaker('closed_until', text(at), 'others_from', text(at))
  end
  probing = probing or is_probing()
end)
local granted, free = grant(), 0
each_account(function() free = free + usable_slots() - redis.call('ZCARD', own('slots')) end)
return answer({granted = granted, open = open, probing = probing, free = free})
