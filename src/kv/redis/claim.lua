-- Takes an entry for the length of a lease, if attempts that failed have left a token in its bucket.
-- KEYS[1] the entry. ARGV[1] the claim's id. ARGV[2] the lease in milliseconds. ARGV[3] 'open' for open
-- entries only, or 'any'. ARGV[4] the bucket's interval in nanoseconds. ARGV[5] its burst.
-- Answers {'absent'} | {'in_use', rest of the lease} | {'limited', nanoseconds until there is a token}
-- | {'bound' | 'claimed', the entry's fields}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'expires_at', 'claim', 'claim_until', 'organization_id', 'attempts')
if not state[1] or tonumber(state[1]) <= now then
  return {'absent'}
end
if state[2] and state[2] ~= ARGV[1] and tonumber(state[3]) > now then
  return {'in_use', tonumber(state[3]) - now}
end
if state[4] and ARGV[3] == 'open' then
  return {'bound', redis.call('HGETALL', KEYS[1])}
end
local rest = until_next(state[5], time, tonumber(ARGV[4]), tonumber(ARGV[5]))
if rest > 0 then
  return {'limited', rest}
end
redis.call('HSET', KEYS[1], 'claim', ARGV[1], 'claim_until', string.format('%.0f', now + ARGV[2]))
return {'claimed', redis.call('HGETALL', KEYS[1])}
