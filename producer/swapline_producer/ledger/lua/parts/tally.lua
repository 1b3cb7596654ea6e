-- What `advance` counts beside input.count. Put after meter.lua. `have` is a job's record before the change, `new` what
-- is written to it.

-- Count the result of a paid call. One that brought an id is counted as `submitted`.
local function tally_call(to, was_open, is_open, refund)
  if was_open ~= '1' or is_open ~= '0' or to == 'RUNNING' then return end
  if not refund then bump('call:unknown') else bump(to == 'FAILED' and 'call:refused' or 'call:uncharged') end
end

-- Count a change of state.
local function tally_states(state, to, have)
  if state == 'QUEUED' then bump('waiting:' .. have.priority, -1) end
  if to == 'QUEUED' then bump('waiting:' .. have.priority) end
  if to == 'RUNNING' and state ~= 'STORING' and have.attempt_open ~= '1' then bump('call:resolved') end
  if state == 'RUNNING' and to == 'STORING' then time('service', at - have.submitted_at) end
  if state == 'STORING' and to == 'SUCCEEDED' then
    time('storing', at - have.terminal_at)
    time('turnaround', at - have.created_at)
  end
end

local function tally_webhook(was, is)
  if not is or (was == 'PENDING') == (is == 'PENDING') then return end
  bump('webhooks_pending', is == 'PENDING' and 1 or -1)
end
