-- Which objects are still needed, and which are to be deleted. Put after line.lua.
--
-- An input lies under the SHA-256 of its bytes, so several jobs may use it. P:inputs counts its users: each job
-- that has not ended (its field `holds_input`), and each hold. A hold is an entry of P:unneeded, so that it ends by itself:
-- a job that ended without success holds its input for a while, so that it can be sent again, and a producer holds one
-- that it cannot tell to be there. The last release lists the input itself.
--
-- Deletions of inputs are numbered at their ends. What a producer stored when it knew of deletion N is there for certain
-- if no later one has ended and none is under way. P:deletions has the last number, and that of each part of the
-- hashes: one number for each input would be too many. Numbers are milliseconds at least, so that they do not begin
-- again where a restart of the server has lost some.

local FINISHED = {SUCCEEDED = true, FAILED = true, EXPIRED = true, TIMED_OUT = true, CANCELED = true}

local function unneeded(name, from) redis.call('ZADD', key('unneeded'), text(from), name) end

local function still_needed(name) return redis.call('ZREM', key('unneeded'), name) == 1 end

local function hold_of(sha, id) return 'hold/' .. sha .. '/' .. id end

-- Returns whether the input is in the store already, or on its way there.
local function need_input(sha)
  return redis.call('HINCRBY', key('inputs'), sha, 1) > 1 or still_needed('inputs/' .. sha)
end

local function part_of(sha) return string.sub(sha, 1, 3) end

local function last_deletion() return tonumber(redis.call('HGET', key('deletions'), 'last') or 0) end

-- Whether an input is there that was stored when deletion `known` was the last one.
local function is_there(sha, known)
  if redis.call('ZSCORE', key('deleting'), sha) then return false end
  return tonumber(redis.call('HGET', key('deletions'), part_of(sha)) or 0) <= known
end

local ended -- the number of the deletions that this move ends

local function end_deletion(sha)
  ended = ended or math.max(last_deletion() + 1, at)
  redis.call('ZREM', key('deleting'), sha)
  redis.call('HSET', key('deletions'), 'last', text(ended), part_of(sha), text(ended))
end

local function release_input(sha)
  if tonumber(redis.call('HGET', key('inputs'), sha) or 0) > 1 then
    redis.call('HINCRBY', key('inputs'), sha, -1)
  else
    redis.call('HDEL', key('inputs'), sha)
    unneeded('inputs/' .. sha, at)
  end
end
