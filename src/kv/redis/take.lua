-- Takes tokens from a bucket. What is full again needs no key: it expires then.
-- KEYS[1] the bucket. ARGV[1] the interval in nanoseconds. ARGV[2] the burst. ARGV[3] the most tokens.
-- Answers {'granted', how many} | {'empty', nanoseconds until there is one}.
local time = redis.call('TIME')
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = redis.call('GET', KEYS[1])
local rest = until_next(full_at, time, interval, burst)
if rest > 0 then
  return {'empty', rest}
end
local granted
granted, full_at = take(full_at, time, interval, burst, tonumber(ARGV[3]))
local milliseconds = string.sub(full_at, 1, -10) * 1000 + math.ceil(string.sub(full_at, -9) / 1e6)
redis.call('SET', KEYS[1], full_at, 'PXAT', string.format('%.0f', milliseconds))
return {'granted', granted}
