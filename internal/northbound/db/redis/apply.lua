-- A batch: for each op six arguments: verb, scope, field, condition, lease, value.
-- Answers {'ok', revision or '0' for each op}, {'conflict', op, current} or {'lease', op}.
local time = now()
for i = 2, #ARGV, 6 do
  local s, cond, lease = scope(ARGV[i + 1]), ARGV[i + 3], ARGV[i + 4]
  if cond ~= '-1' then
    local rev = meta(s, ARGV[i + 2])
    if rev ~= cond then return { 'conflict', tostring((i - 2) / 6), rev } end
  end
  if lease ~= '0' then
    local expiry = redis.call('ZSCORE', leases, lease)
    if not expiry or tonumber(expiry) * 1000 <= time then return { 'lease', tostring((i - 2) / 6) } end
  end
end
local rev = revision(time)
local answer = { 'ok' }
for i = 2, #ARGV, 6 do
  local s, done = scope(ARGV[i + 1]), false
  if ARGV[i] == 'put' then
    put(s, ARGV[i + 2], ARGV[i + 5], ARGV[i + 4], rev)
    done = true
  elseif ARGV[i] == 'delete' then
    done = delete(s, ARGV[i + 2])
  end
  answer[#answer + 1] = done and int(rev) or '0'
end
finish(rev)
return answer
