-- Release the jobs of a worker that stops: due at once and at a new version, so that any other worker goes on and this
-- one cannot. A job whose paid call may be under way is left: only its reply, or its rescue, may settle it.
--
-- input.jobs {{ID, version}, …}
-- Returns {released, paying}: the numbers released, and perhaps in a paid call.

local released, paying = 0, 0
for _, pair in ipairs(input.jobs) do
  local id, job = pair[1], key('job', pair[1])
  local have = redis.call('HMGET', job, 'version', 'attempt_open', 'state')
  local waited_for = have[1] == pair[2] and redis.call('ZSCORE', key('due'), id)
  if have[2] == '1' and have[3] == 'SUBMITTING' then
    paying = paying + 1 -- at whatever version: a child process has moved the job since its parent read the message
  elseif waited_for then
    redis.call('HINCRBY', job, 'version', 1)
    set_due(id, math.min(at, tonumber(waited_for)))
    log(id, 'released')
    released = released + 1
  end
end
return answer({released = released, paying = paying})
