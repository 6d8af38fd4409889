-- Greylisting (RFC 6647): the first attempt of a network, sender and recipient that were never seen
-- together is refused for now. Real servers try again; much of what sends spam does not.  A network
-- that has done so often enough is let through.  Kept in a durable dictionary, so that all workers
-- know and a restart forgets nothing.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"
local network = require "moonpost.network"

local DAY = 86400

local options = plugin:options {
  delay = { "number", default = 300, min = 0, max = DAY },
  retry_within = { "number", default = 2 * DAY, min = 60, max = 30 * DAY },
  remember = { "number", default = 36 * DAY, min = 60, max = 366 * DAY },
  auto_allow = { "integer", default = 5, min = 0, max = 1000000 },
  ipv4_bits = { "integer", default = 24, min = 8, max = 32 },
  ipv6_bits = { "integer", default = 64, min = 16, max = 128 },
  allow_networks = { "list", of = "string", default = {} },
  allow_senders = { "list", of = "string", default = {} },
  allow_recipients = { "list", of = "string", default = {} },
  text = { "string", default = "Greylisted, try again in %s" },
  priority = { "integer", default = 0 },
}

if options.retry_within <= options.delay then
  error("option retry_within of plugin greylist: must be more than delay, or nobody gets through", 0)
end
if select(2, options.text:gsub("%%s", "")) ~= 1 or options.text:gsub("%%s", ""):find("[%%\r\n]") then
  error("option text of plugin greylist: one line with one %s, where the time goes", 0)
end

-- A triplet is the time of its first attempt, then true; a network the number of its triplets that
-- came back.
local triplets = mail.dict("triplets", { durable = true })
local networks = mail.dict("networks", { durable = true, ttl = options.remember })
-- Lives are renewed once in a while, not with each message: reading costs nothing, writing a commit.
local renewed = mail.cache { size = 10000, ttl = math.min(DAY, options.remember / 10) }

-- ---- who is never asked to wait ----

local allowed_networks, problem = network.parse_all(options.allow_networks)
if not allowed_networks then error("option allow_networks of plugin greylist: " .. problem, 0) end

---"user@example.test", "example.test", ".example.test" (with all below it) as sets.
local function compile(list)
  local set = {}
  for _, name in ipairs(list) do set[name:lower()] = true end
  return set
end
local allowed = { sender = compile(options.allow_senders), recipient = compile(options.allow_recipients) }

---@param set table<string, boolean>
---@param address string in lower case
local function listed(set, address)
  if set[address] then return true end
  local domain = address:match("@([^@]+)$")
  if not domain then return false end
  if set[domain] or set["." .. domain] then return true end
  for at in domain:gmatch("()%.") do
    if set[domain:sub(at)] then return true end
  end
  return false
end

-- ---- what is remembered ----

---Mailing lists number their senders: "list-1234-bob=example.org@..." is one sender.
local function same_sender(address)
  return (address:gsub("%d+", "#"))
end

local function key_of(net, sender, recipient)
  return mail.hex(mail.sha256(net .. "\0" .. same_sender(sender) .. "\0" .. recipient)):sub(1, 32)
end

local function in_words(seconds)
  if seconds == 1 then return "a second" end
  if seconds < 120 then return ("%d seconds"):format(seconds) end
  if seconds < 7200 then return ("%d minutes"):format(math.ceil(seconds / 60)) end
  return ("%d hours"):format(math.ceil(seconds / 3600))
end

local function later(seconds)
  return mail.tempfail("4.7.1", options.text:gsub("%%s", in_words(math.max(1, math.ceil(seconds)))))
end

later(1)                                 -- finds a text that is too long while the plugin loads

---The store does not answer: mail goes on, it is only not greylisted.
local function pass(what, why)
  mail.log.warn("greylist passes: " .. what, { why = why })
end

---Once in a while a life begins anew.
local function renew(dict, key, value)
  if renewed:get(key) then return end
  renewed:set(key, true)
  local _, why = dict:set(key, value, options.remember)
  if why then mail.log.warn("greylist cannot renew", { why = why }) end
end

---A triplet that came back in time: it passes from now on, and speaks for its network.
local function came_back(key, first, net)
  local done, why, word = triplets:cas(key, first, true, options.remember)
  if word then return pass("the triplet cannot be kept", why) end
  if done then networks:incr(net) end
end

plugin:hook("accept_sender", function(session, sender)
  session.data["greylist.sender"] = sender.address:lower()
end, { services = "mta", signed_in = false })

plugin:hook("accept_recipient", function(session, recipient)
  local ip, sender = session.remote.ip, session.data["greylist.sender"] or ""
  local address = recipient.address:lower()
  if network.contains(allowed_networks, ip) or listed(allowed.sender, sender)
    or listed(allowed.recipient, address) then
    return
  end
  local net = network.of(ip, options.ipv4_bits, options.ipv6_bits)
  if options.auto_allow > 0 then
    local count = networks:get(net)
    if count and count >= options.auto_allow then return renew(networks, net, count) end
  end
  local key, now = key_of(net, sender, address), math.floor(mail.now())
  local first, why, word = triplets:get(key)
  if word then return pass("the triplet cannot be read", why) end
  if first == true then return renew(triplets, key, true) end
  if not first then
    local added, there
    added, there, word = triplets:add(key, now, options.retry_within)
    if word then return pass("the triplet cannot be kept", there) end
    first = added and now or there
    if first == true then return end
  end
  local left = first + options.delay - now
  if left > 0 then return later(left) end
  return came_back(key, first, net)
end, { services = "mta", signed_in = false, priority = options.priority })
