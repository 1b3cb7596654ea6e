-- A new job: its record, its first event, its entry in `due`, its idempotency key. All or nothing.
--
-- input.id, input.fields (text), input.tenant, input.ttl_ms (queue), input.claim ({key, fingerprint, ttl_ms} or absent)
-- Gives {id, created} of this job, or of the one that has the idempotency key; {conflict=true} where the key belongs
-- to another request.

local job = key('job', input.id)
if redis.call('EXISTS', job) == 1 then return answer({id = input.id, created = true}) end -- our own lost reply

if input.claim then
  local name = key('key', input.tenant, input.claim.key)
  local holder = redis.call('GET', name)
  if holder then
    local fingerprint, id = string.match(holder, '^(%S+) (%S+)$')
    if redis.call('EXISTS', key('job', id)) == 1 then
      return answer({id = id, created = false, conflict = fingerprint ~= input.claim.fingerprint})
    end
  end
  redis.call('SET', name, input.claim.fingerprint .. ' ' .. input.id, 'PX', text(input.claim.ttl_ms))
end

local fields = {'state', 'QUEUED', 'turn', '1', 'sent', '1', 'created_at', text(at),
  'queue_until', text(at + input.ttl_ms)}
for name, value in pairs(input.fields) do
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
redis.call('HSET', job, unpack(fields))
move(input.id, nil, 'QUEUED')
set_due(input.id, rescue_at())
log(input.id, 'queued')
count('accepted')
return answer({id = input.id, created = true})
