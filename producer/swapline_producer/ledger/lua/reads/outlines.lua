-- Read a few fields of many records in one call.
--
-- input.ids      the jobs; some hundred, because other clients wait meanwhile
-- input.fields   names of fields
-- input.spec     whether to return the request as well, its pieces joined
-- input.holder   whether to return the job that has this one's idempotency key
-- Returns {rows = {{value, …, request, holder}, …}}, one row for each id; false where there is none.

local function request(name)
  local pieces, number = {}, 0
  local piece = redis.call('HGET', name, 'spec')
  while piece do
    number = number + 1
    pieces[number] = piece
    piece = redis.call('HGET', name, 'spec:' .. number)
  end
  return table.concat(pieces)
end

local function holder(name)
  local whose = redis.call('HMGET', name, 'tenant', 'idempotency_key')
  local held = whose[2] and redis.call('GET', key('key', whose[1], whose[2]))
  return held and string.match(held, '[^ ]*$')
end

local rows = {}
for n, id in ipairs(input.ids) do
  local name = key('job', id)
  local row = input.fields[1] and redis.call('HMGET', name, unpack(input.fields)) or {}
  if input.spec then row[#row + 1] = request(name) end
  if input.holder then row[#row + 1] = holder(name) or false end
  rows[n] = row
end
return answer({rows = rows})
