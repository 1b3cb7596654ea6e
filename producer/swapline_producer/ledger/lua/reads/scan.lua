-- Read a part of some indexes for jobs that match a filter, within a budget. The caller goes on from the place that is
-- returned; other clients are served between two calls.
--
-- input.indexes {{part, …}, …}   the indexes to go through, by the parts of their keys; scores are milliseconds
-- input.place {n, score, ID}     go on after this place: the n-th index (from 1), and an entry that was or is in it
-- input.down                     from the highest score to the lowest, else upwards
-- input.lowest                   least score
-- input.above, input.below       only ids between these two, neither of them included; '' for no limit
-- input.fields {{name, {value = true}}, …}   accepted values of the record's fields; a missing one is ''
-- input.from, input.to           and when it was accepted (from <= created_at < to)
-- input.budget                   units of work: 1 for an entry, READ for a record
-- Returns {ids = {ID, …}, place = where to go on, absent when all was seen}.

local READ = 8 -- a record takes about eight times as long to read as an id to compare (measured)
local BLOCK = 500 -- entries fetched at once

local call, records = redis.call, key('job', '') -- the inner loop: local names are faster
local names, tests = {}, {}
for n, field in ipairs(input.fields) do names[n], tests[n] = field[1], field[2] end
if input.from or input.to then names[#names + 1] = 'created_at' end
names[#names + 1] = 'version' -- every record has one: without it the record has expired

local function fits(id)
  local have = call('HMGET', records .. id, unpack(names))
  for n = 1, #tests do
    if not tests[n][have[n] or ''] then return false end
  end
  if not have[#names] then return false end
  if not (input.from or input.to) then return true end
  local created = tonumber(have[#names - 1])
  return created >= (input.from or 0) and created < (input.to or math.huge)
end

-- Count the entries before a place; its own entry and its neighbours may have moved.
local function rank_of(index, score, id, beside)
  local low, high = 0, redis.call('ZCARD', index)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = redis.call('ZRANGE', index, middle, middle, 'WITHSCORES')
    local its_score = tonumber(entry[2])
    if its_score < score or its_score == score and (entry[1] < id or beside and entry[1] == id) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local ids, spent = {}, 0
local reads = #names > 1

local function examine(id)
  spent = spent + 1
  if (input.above == '' or id > input.above) and (input.below == '' or id < input.below) then
    if not reads then
      ids[#ids + 1] = id
    else
      spent = spent + READ
      if fits(id) then ids[#ids + 1] = id end
    end
  end
end

-- Read one index; return the last entry that was read where the budget ended first.
local function through(index, place)
  local first = input.lowest and redis.call('ZCOUNT', index, '-inf', '(' .. text(input.lowest)) or 0
  local last = redis.call('ZCARD', index) - 1
  if place and input.down then last = rank_of(index, tonumber(place[2]), place[3], false) - 1 end
  if place and not input.down then first = math.max(first, rank_of(index, tonumber(place[2]), place[3], true)) end
  while first <= last do
    local block
    if input.down then
      block = redis.call('ZRANGE', index, math.max(first, last - BLOCK + 1), last)
      last = last - #block
    else
      block = redis.call('ZRANGE', index, first, math.min(last, first + BLOCK - 1))
      first = first + #block
    end
    for n = 1, #block do
      local id = input.down and block[#block + 1 - n] or block[n]
      examine(id)
      if spent >= input.budget then return id end
    end
  end
end

for n = input.place and input.place[1] or 1, #input.indexes do
  local index = key(unpack(input.indexes[n]))
  local id = through(index, input.place and input.place[1] == n and input.place)
  if id then return answer({ids = ids, place = {n, redis.call('ZSCORE', index, id), id}}) end
end
return answer({ids = ids})
