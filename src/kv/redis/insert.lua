-- Keeps a new entry. The only place that sets an expiry: nothing extends it.
-- KEYS[1] the entry. ARGV[1] its life in milliseconds. ARGV[2] the address.
-- ARGV[3] the organization that the person is on the way to, or nothing. ARGV[4..] the factors.
-- Answers {'inserted', the entry's fields}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires_at = now + ARGV[1]
redis.call('HSET', KEYS[1], 'email_address', ARGV[2], 'factors', #ARGV - 3,
  'created_at', string.format('%.0f', now), 'expires_at', string.format('%.0f', expires_at))
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'hint', ARGV[3])
end
for index = 4, #ARGV do
  redis.call('HSET', KEYS[1], 'factor:' .. (index - 3), ARGV[index])
end
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', expires_at))
return {'inserted', redis.call('HGETALL', KEYS[1])}
