-- Seal a batch: it is completed as soon as its jobs have all finished, perhaps now. Repeatable; only jobs that joined
-- since it was completed complete it again.
--
-- input.name (TENANT:NAME), input.batch, input.tenant, input.webhook_url, input.nonce (for its webhook's id: kept from
-- the first time)
-- Returns {jobs, finished, completed = whether its webhook is on its way or settled}; jobs = 0 where there is no such batch.

local record = key('job', batch_id(input.name))
local have = redis.call('HMGET', record, 'jobs', 'finished', 'ever', 'completed_at_ever')
local jobs, finished = tonumber(have[1] or 0), tonumber(have[2] or 0)
if jobs == 0 then return answer({jobs = 0, finished = 0, completed = false}) end
redis.call('HSETNX', record, 'nonce', input.nonce)
redis.call('HSETNX', record, 'version', '0')
redis.call('HSET', record, 'batch', input.batch, 'tenant', input.tenant, 'webhook_url', input.webhook_url)
local completed = have[4] == have[3]
if not completed then
  redis.call('HSET', record, 'sealed', '1')
  redis.call('PERSIST', record)
  completed = complete_batch(input.name)
end
return answer({jobs = jobs, finished = finished, completed = completed})
