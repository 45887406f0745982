-- Leases. ARGV[2] is what to do with the lease ARGV[3]: 'grant' for ARGV[4] ms (answers its id), 'renew'
-- for as long (answers '1', or '0' if it has ended), 'revoke', or 'sweep'. Whatever it is, leases whose time
-- is over end too, so that somebody's life is enough to see everybody's death.
local time = now()

local function finish_lease(lease)
  redis.call('ZREM', leases, lease)
  for _, member in ipairs(redis.call('SMEMBERS', owned(lease))) do
    local name, field = string.match(member, '^([^:]*):(.*)$')
    local s = scope(name)
    local _, bound = meta(s, field)
    if bound == lease then delete(s, field) end
  end
  redis.call('DEL', owned(lease))
end

local answer = '1'
local what, lease = ARGV[2], ARGV[3]
if what == 'grant' then
  local id = math.max(time, tonumber(redis.call('GET', prefix .. '/:lastlease') or '0') + 1)
  answer = int(id)
  redis.call('SET', prefix .. '/:lastlease', answer)
  redis.call('ZADD', leases, int(time / 1000 + tonumber(ARGV[4])), answer)
elseif what == 'renew' then
  local expiry = redis.call('ZSCORE', leases, lease)
  if expiry and tonumber(expiry) * 1000 > time then
    redis.call('ZADD', leases, int(time / 1000 + tonumber(ARGV[4])), lease)
  else
    answer = '0'
  end
elseif what == 'revoke' then
  finish_lease(lease)
end
for _, over in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', int(time / 1000), 'LIMIT', 0, 100)) do
  finish_lease(over)
end
finish(revision(time))
return answer
