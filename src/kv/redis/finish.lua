-- Ends a claim, if the entry is still held by it.
-- KEYS[1] the entry. ARGV[1] the claim's id. ARGV[2] 'release', 'spend', or 'bind' with
-- ARGV[3] the organization and ARGV[4] the member.
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
redis.call('HDEL', KEYS[1], 'claim', 'claim_until')
return {'done'}
