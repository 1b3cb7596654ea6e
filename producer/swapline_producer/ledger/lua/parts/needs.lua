-- Which objects are still needed, and which are to be deleted. Put after line.lua.
--
-- An input lies under the SHA-256 of its bytes, so several jobs may use it. P:inputs counts its users: each job
-- that has not ended (its field `holds_input`), and each hold. A hold is an entry of P:unneeded, so that it ends by itself:
-- producers hold an input from before they store it until their job is accepted, and a job that ended without success
-- holds its own for a while, so that it can be sent again. The last release lists the input itself.

local FINISHED = {SUCCEEDED = true, FAILED = true, EXPIRED = true, TIMED_OUT = true, CANCELED = true}

local function unneeded(name, from) redis.call('ZADD', key('unneeded'), text(from), name) end

local function still_needed(name) return redis.call('ZREM', key('unneeded'), name) == 1 end

local function hold_of(sha, id) return 'hold/' .. sha .. '/' .. id end

-- Returns whether the input is in the store already, or on its way there.
local function need_input(sha)
  return redis.call('HINCRBY', key('inputs'), sha, 1) > 1 or still_needed('inputs/' .. sha)
end

local function release_input(sha)
  if tonumber(redis.call('HGET', key('inputs'), sha) or 0) > 1 then
    redis.call('HINCRBY', key('inputs'), sha, -1)
  else
    redis.call('HDEL', key('inputs'), sha)
    unneeded('inputs/' .. sha, at)
  end
end
