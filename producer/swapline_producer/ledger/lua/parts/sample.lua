-- The history: what has been counted so far, once a minute, so that the plots of an hour, a day and a week are
-- differences. A job costs nothing for it. Put after each_account.lua, by the claim that writes and by `history` that reads.
--
-- P:history:SECONDS  list  rows, JSON, oldest first: one for each span of SECONDS in which a worker has claimed
-- A row: at; waiting (jobs QUEUED then); and since the ledger began: waited (milliseconds of waiting jobs, by
-- these rows), used and idle (milliseconds of slots), counts (fields of P:count), turnaround {BOUND = jobs}.

local SPANS = {[60] = 62, [900] = 98, [3600] = 170} -- seconds of a span -> rows kept: an hour, a day, a week, and two
local COUNTED = {['accepted'] = true, ['failed'] = true, ['finished'] = true}

local function history_row()
  local meter = whole(key('meter'))
  local since_last = math.max(0, at - limit_of('sampled_at', at))
  local row = {at = at, waiting = redis.call('ZCARD', key('state', 'QUEUED')), used = tonumber(meter.used or 0), idle = 0,
    counts = {}, turnaround = {}}
  row.waited = (meter.waited or 0) + math.floor(since_last * (limit_of('sampled_waiting', row.waiting) + row.waiting) / 2)
  for name, number in pairs(meter) do
    if string.sub(name, 1, 5) == 'idle:' and name ~= 'idle:none' then row.idle = row.idle + number end
    local bound = string.match(name, '^t:turnaround:(.+)$')
    if bound and bound ~= 'sum' then row.turnaround[bound] = tonumber(number) end
  end
  each_account(function()
    local slots = whole(own('level'))
    if not slots.now or at <= tonumber(slots.since) then return end
    local used, idle = string.match(slots.now, '^(%d+) %d+ (%d+) ') -- what the meter does not have yet
    row.used, row.idle = row.used + (at - slots.since) * used, row.idle + (at - slots.since) * idle
  end)
  for name, number in pairs(whole(key('count'))) do
    if COUNTED[string.match(name, '^[^.]+')] then row.counts[name] = tonumber(number) end
  end
  return row
end

-- After time was set back the rows are later than what comes: the next one is written at once, to count from.
local function sample_anew()
  redis.call('HDEL', key('limits'), 'sampled_at')
  hashes[key('limits')] = nil
end

-- Add a row to each list whose span has begun anew since the last one.
local function sample()
  local last = limit_of('sampled_at', 0)
  if math.floor(at / 60000) <= math.floor(last / 60000) then return end
  local row = history_row()
  local line = cjson.encode(row)
  for seconds, rows in pairs(SPANS) do
    if math.floor(at / 1000 / seconds) > math.floor(last / 1000 / seconds) then
      local name = key('history', text(seconds))
      redis.call('RPUSH', name, line)
      redis.call('LTRIM', name, -rows, -1)
      redis.call('PEXPIRE', name, text(rows * seconds * 1000))
    end
  end
  redis.call('HSET', key('meter'), 'waited', text(row.waited)) -- written here alone
  set_limits('sampled_at', text(at), 'sampled_waiting', row.waiting)
end
