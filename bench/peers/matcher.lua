-- The matcher that people build on Redis: called with EVALSHA, one script for all operations, since scripts are atomic.
--
-- Agents stand in a sorted set for each of their skills, by the order in which they became idle; their levels are in a hash.
-- Contacts wait in a sorted set for each kind, by arrival less the head start of their priority. ARGV: the operation, then
-- what it takes. Gives who was matched, or -1.
local operation, now = ARGV[1], tonumber(ARGV[2])

local function qualifies(agent, terms)
  for at = 1, #terms, 2 do
    local level = redis.call('HGET', 'a:' .. agent, terms[at])
    if not level or tonumber(level) < tonumber(terms[at + 1]) then return false end
  end
  return true
end

if operation == 'enqueue' then
  local contact, kind, priority = ARGV[3], ARGV[4], tonumber(ARGV[5])
  local waiting = 'w:' .. kind
  if redis.call('EXISTS', waiting) == 0 then
    local terms = redis.call('LRANGE', 'k:' .. kind, 1, -1)
    local idle = 'i:' .. redis.call('LINDEX', 'k:' .. kind, 0)
    local from = 0
    while true do
      local agents = redis.call('ZRANGE', idle, from, from + 49)
      for _, agent in ipairs(agents) do
        if qualifies(agent, terms) then
          for _, skill in ipairs(redis.call('HKEYS', 'a:' .. agent)) do redis.call('ZREM', 'i:' .. skill, agent) end
          redis.call('HSET', 'c:' .. contact, 'agent', agent, 'state', 'offered')
          return agent
        end
      end
      if #agents < 50 then break end
      from = from + 50
    end
    redis.call('SADD', 's:' .. redis.call('LINDEX', 'k:' .. kind, 0), kind)
  end
  redis.call('ZADD', waiting, now - priority * 60000000000, contact)
  redis.call('HSET', 'c:' .. contact, 'kind', kind, 'state', 'queued')
  return -1
end

if operation == 'accept' then
  redis.call('HSET', 'c:' .. ARGV[3], 'state', 'connected')
  return 0
end

local function leave(kind, contact)
  redis.call('ZREM', 'w:' .. kind, contact)
  if redis.call('EXISTS', 'w:' .. kind) == 0 then
    redis.call('SREM', 's:' .. redis.call('LINDEX', 'k:' .. kind, 0), kind)
  end
end

if operation == 'abandon' then
  leave(redis.call('HGET', 'c:' .. ARGV[3], 'kind'), ARGV[3])
  redis.call('DEL', 'c:' .. ARGV[3])
  return 0
end

-- free: the conversation with a contact is over, if there was one, and its agent gets the next
local contact, agent = ARGV[3], ARGV[4]
if contact ~= '' then redis.call('DEL', 'c:' .. contact) end
local best, best_kind, best_contact
local skills = redis.call('HKEYS', 'a:' .. agent)
for _, skill in ipairs(skills) do
  for _, kind in ipairs(redis.call('SMEMBERS', 's:' .. skill)) do
    local head = redis.call('ZRANGE', 'w:' .. kind, 0, 0, 'WITHSCORES')
    local key = tonumber(head[2])
    if (not best or key < best) and qualifies(agent, redis.call('LRANGE', 'k:' .. kind, 1, -1)) then
      best, best_kind, best_contact = key, kind, head[1]
    end
  end
end
if best then
  leave(best_kind, best_contact)
  redis.call('HSET', 'c:' .. best_contact, 'agent', agent, 'state', 'offered')
  return best_contact
end
local order = redis.call('INCR', 'order')
for _, skill in ipairs(skills) do redis.call('ZADD', 'i:' .. skill, order, agent) end
return -1
