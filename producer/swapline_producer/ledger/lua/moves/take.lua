-- Take what is to be deleted. It is offered again when the lease is over, unless it was confirmed; an input that is
-- taken cannot be held meanwhile.
--
-- input.limit        most names to take
-- input.lease_ms     how long the deletion may take
-- input.only         these names, due or not, instead of those that are due
-- input.every_ms     return nothing where a caller has taken within every_ms
-- input.result_ms    lifetime of results, unless for ever
-- Returns {names = {…}, lease, promised = {ID, …} (jobs to be purged as soon as they have ended), more}.

if input.every_ms and not redis.call('SET', key('swept'), '1', 'NX', 'PX', input.every_ms) then
  return answer({names = {}, promised = {}, more = false})
end

local function is_wanted(kind, name)
  if kind == 'inputs' then return redis.call('HEXISTS', key('inputs'), string.sub(name, 8)) == 1 end
  local have = redis.call('HMGET', key('job', string.match(name, '([^/]+)$')), 'state', 'images', 'finished_at')
  if not have[1] then return false end
  if not FINISHED[have[1]] then return true end -- it is put on the list again when it ends
  if not have[2] or have[2] == '[]' then return false end
  return not input.result_ms or at < tonumber(have[3]) + input.result_ms
end

local lease = at + input.lease_ms
local due = input.only or redis.call('ZRANGE', key('unneeded'), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, input.limit)
local found, names, number = #due, {}, 1
while due[number] do
  local name = due[number]
  local kind = string.match(name, '^[^/]+')
  local score = redis.call('ZSCORE', key('unneeded'), name)
  if score and kind == 'hold' then
    local sha = string.match(name, '^hold/([^/]+)')
    still_needed(name)
    release_input(sha)
    if redis.call('HEXISTS', key('inputs'), sha) == 0 then due[#due + 1] = 'inputs/' .. sha end
  elseif score and is_wanted(kind, name) then
    still_needed(name)
  elseif score then
    unneeded(name, lease)
    if kind == 'inputs' then redis.call('ZADD', key('deleting'), text(lease), string.sub(name, 8)) end
    names[#names + 1] = name
  end
  number = number + 1
end
local promised = redis.call('ZRANGE', key('purging'), '-inf', text(at), 'BYSCORE', 'LIMIT', 0, 100)
return answer({names = names, lease = lease, promised = promised, more = found >= input.limit})
