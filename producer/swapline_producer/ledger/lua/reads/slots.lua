-- The accounts as they are used now. Reads only.
--
-- Returns {accounts = {{name, about (weight, labels), limits = {name = value}, breaker = see breaker.lua,
-- in_flight = {ID, …}, jobs (unfinished), spent (credits of today)}, …}, several, store = see store.lua, waiting}.

local list = {}
each_account(function(one)
  local jobs, spent_by = 0, accounts() and 'account:' .. one.name or 'all'
  if accounts() then jobs = redis.call('ZCARD', key('jobs', one.name)) end
  for state in pairs(accounts() and {} or AT) do jobs = jobs + redis.call('ZCARD', key('state', state)) end
  list[#list + 1] = {name = one.name, weight = one.weight or 1, labels = one.labels or {}, limits = whole(own('limits')),
    breaker = breaker_shown(), in_flight = redis.call('ZRANGE', own('slots'), 0, -1), jobs = jobs, spent = spent(spent_by)}
end)
return answer({accounts = list, several = accounts() and true or false, store = whole(key('store')),
  waiting = redis.call('ZCARD', key('state', 'QUEUED'))})
