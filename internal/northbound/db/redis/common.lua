-- What the scripts share. ARGV[1] is the prefix.
--
-- A scope has three keys: the hash :m of each item's revision and lease, the hash :v of the values, and
-- :r, the revision of the scope's last change. Its base name is the channel that tells of each change.
local prefix = ARGV[1]
local leases = prefix .. '/:leases' -- expiry in ms by lease
local scopes, names = {}, {}

local function int(x) return string.format('%.0f', x) end

-- Microseconds since 1970: they order also what is written after a loss of data behind what was lost.
local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

local function owned(lease) return prefix .. '/:lease:' .. lease end

local function scope(name)
  local s = scopes[name]
  if not s then
    local base = prefix .. '/{' .. name .. '}'
    s = { name = name, base = base, m = base .. ':m', v = base .. ':v', r = base .. ':r', out = {} }
    s.prev = tonumber(redis.call('GET', s.r) or '0')
    scopes[name] = s
    names[#names + 1] = name
  end
  return s
end

-- The revision and the lease of an item, '0' if it is absent.
local function meta(s, field)
  local m = redis.call('HGET', s.m, field)
  if not m then return '0', '0' end
  return string.match(m, '^(%d+) (%d+)$')
end

-- One revision for everything that a script changes.
local function revision(time)
  local rev = time
  for _, name in ipairs(names) do rev = math.max(rev, scopes[name].prev + 1) end
  return rev
end

local function unbind(s, field, lease)
  if lease ~= '0' then redis.call('SREM', owned(lease), s.name .. ':' .. field) end
end

local function put(s, field, value, lease, rev)
  local _, old = meta(s, field)
  unbind(s, field, old)
  redis.call('HSET', s.m, field, int(rev) .. ' ' .. lease)
  redis.call('HSET', s.v, field, value)
  if lease ~= '0' then redis.call('SADD', owned(lease), s.name .. ':' .. field) end
  s.out[#s.out + 1] = 'P ' .. #field .. ' ' .. #value .. ' ' .. lease .. '\n' .. field .. value
end

local function delete(s, field)
  local rev, lease = meta(s, field)
  if rev == '0' then return false end
  unbind(s, field, lease)
  redis.call('HDEL', s.m, field)
  redis.call('HDEL', s.v, field)
  s.out[#s.out + 1] = 'D ' .. #field .. '\n' .. field
  return true
end

-- Notes the revision of every scope that changed and tells who watches it. The revision of an empty
-- scope is forgotten after a week.
local function finish(rev)
  for _, name in ipairs(names) do
    local s = scopes[name]
    if #s.out > 0 then
      redis.call('SET', s.r, int(rev))
      if redis.call('HLEN', s.m) == 0 then
        redis.call('SREM', prefix .. '/:scopes', name)
        redis.call('EXPIRE', s.r, 604800)
      else
        redis.call('SADD', prefix .. '/:scopes', name)
      end
      redis.call('PUBLISH', s.base, int(rev) .. ' ' .. int(s.prev) .. '\n' .. table.concat(s.out))
    end
  end
end
