-- Adds a factor to an entry that nobody holds.
-- KEYS[1] the entry. ARGV[1] the factor. ARGV[2] the most factors. ARGV[3] the id of the addition: the same again is
-- the same one, sent a second time.
-- Answers {'absent'} | {'in_use', rest of the lease} | {'full'} | {'added', the entry's fields}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'expires_at', 'claim', 'claim_until', 'factors', 'addition')
if not state[1] or tonumber(state[1]) <= now then
  return {'absent'}
end
if state[2] and tonumber(state[3]) > now then
  return {'in_use', tonumber(state[3]) - now}
end
if state[5] == ARGV[3] then
  return {'added', redis.call('HGETALL', KEYS[1])}
end
if tonumber(state[4]) >= tonumber(ARGV[2]) then
  return {'full'}
end
local count = redis.call('HINCRBY', KEYS[1], 'factors', 1)
redis.call('HSET', KEYS[1], 'factor:' .. count, ARGV[1], 'addition', ARGV[3])
return {'added', redis.call('HGETALL', KEYS[1])}
