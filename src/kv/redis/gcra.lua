-- Token buckets as `domain/rate` has them; the beginning of every script that deals with one. A bucket is
-- the moment at which it is full, as text: seconds since 1970 and nine digits of nanoseconds, because a
-- number of Lua is exact up to 2^53 only. None is a full one. `time` is what TIME answers; `interval` is in
-- nanoseconds.

-- What is missing of a full bucket, as nanoseconds that it takes to come back.
local function missing(full_at, time, interval, burst)
  if not full_at then
    return 0
  end
  local seconds = tonumber(string.sub(full_at, 1, -10)) - time[1]
  local nanoseconds = tonumber(string.sub(full_at, -9)) - time[2] * 1000
  return math.max(0, math.min(seconds * 1e9 + nanoseconds, interval * burst))
end

-- Nanoseconds until there is a token; 0 if there is one.
local function until_next(full_at, time, interval, burst)
  return math.max(0, missing(full_at, time, interval, burst) + interval - interval * burst)
end

-- Takes up to `wanted` tokens of a bucket that has one. Answers how many, and when the bucket is full now.
local function take(full_at, time, interval, burst, wanted)
  local lacks = missing(full_at, time, interval, burst)
  local granted = math.min(wanted, math.floor((interval * burst - lacks) / interval))
  local nanoseconds = time[2] * 1000 + lacks + granted * interval
  local seconds = time[1] + math.floor(nanoseconds / 1e9)
  return granted, string.format('%.0f%09.0f', seconds, nanoseconds % 1e9)
end

