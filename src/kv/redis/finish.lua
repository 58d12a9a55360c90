-- Ends a claim, if the entry is still held by it.
-- KEYS[1] the entry. ARGV[1] the claim's id. ARGV[2] 'release', 'spend', 'bind' with ARGV[3] the
-- organization and ARGV[4] the member, or 'fail' with ARGV[3] the interval in nanoseconds and ARGV[4] the
-- burst of the bucket that a failed attempt takes a token from.
-- Answers {'done'} | {'not_ours'}.
if redis.call('HGET', KEYS[1], 'claim') ~= ARGV[1] then
  return {'not_ours'}
end
if ARGV[2] == 'spend' then
  redis.call('DEL', KEYS[1])
  return {'done'}
end
if ARGV[2] == 'bind' then
  redis.call('HSET', KEYS[1], 'organization_id', ARGV[3], 'member_id', ARGV[4])
end
if ARGV[2] == 'fail' then
  local attempts = redis.call('HGET', KEYS[1], 'attempts')
  local _, full_at = take(attempts, redis.call('TIME'), tonumber(ARGV[3]), tonumber(ARGV[4]), 1)
  redis.call('HSET', KEYS[1], 'attempts', full_at)
end
redis.call('HDEL', KEYS[1], 'claim', 'claim_until')
return {'done'}
