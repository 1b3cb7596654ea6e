-- The rows of a history, and one of this moment. Reads only.
--
-- input.seconds   of a span: which list (see sample.lua)
-- Returns {rows = {JSON, …}, now = row, bounds = of the buckets of turnaround}.

return answer({rows = redis.call('LRANGE', key('history', text(input.seconds)), 0, -1), now = history_row(),
  bounds = bounds_of('turnaround')})
