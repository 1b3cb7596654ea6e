-- Remove from the list what was taken and is deleted.
--
-- input.names, input.lease   as returned by take.lua

for _, name in ipairs(input.names) do
  if tonumber(redis.call('ZSCORE', key('unneeded'), name)) == input.lease then still_needed(name) end
  local sha = string.match(name, '^inputs/(.+)')
  if sha and tonumber(redis.call('ZSCORE', key('deleting'), sha)) == input.lease then
    end_deletion(sha)
  end
end
return answer({confirmed = true})
