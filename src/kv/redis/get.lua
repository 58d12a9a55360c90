-- Reads an entry whose time is not over.
-- KEYS[1] the entry.
-- Answers {'absent'} | {'found', the entry's fields}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires_at = redis.call('HGET', KEYS[1], 'expires_at')
if not expires_at or tonumber(expires_at) <= now then
  return {'absent'}
end
return {'found', redis.call('HGETALL', KEYS[1])}
