-- Mark a job that the vendor has, or may have, to be canceled: it ends CANCELED when the vendor is done with it. Its
-- version stays: the step that has it may still write its result, once it knows of the mark.
--
-- input.id, input.state       what the job must still be
-- input.how                   drop or keep: whether its result is stored
-- input.by                    who wants it, for the log; '' where that is a program
-- Returns {requested = true}, or {stale = true} where the vendor cannot have it (any more).

local job = key('job', input.id)
local have = redis.call('HMGET', job, 'state', 'attempt_open', 'slot', 'canceling')
local state = have[1]
local at_the_vendor = state == 'RUNNING' or state == 'STORING' or state == 'SUBMITTING' and have[2] == '1'
  or state == 'HELD' and have[3] == '1'
if state ~= input.state or not at_the_vendor then return answer({stale = true}) end
if have[4] ~= input.how then
  redis.call('HSET', job, 'canceling', input.how)
  log(input.id, 'cancel requested', cjson.encode({result = input.how, by = input.by ~= '' and input.by or nil}))
  count('cancel_requested')
end
return answer({requested = true})
