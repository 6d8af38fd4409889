-- Rules about recipients: which are accepted, refused, redirected or thrown away, by recipient,
-- sender address of the client's network, and whether somebody signed in.  The first rule that fits
-- decides; recipients that no rule names go on to the next plugin and the directory.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"

local options = plugin:options {
  rules = { "list", of = "table" },
  priority = { "integer", default = 0 },
}

local ACTIONS = { accept = true, reject = true, tempfail = true, discard = true, redirect = true }
local KEYS = {
  to = "string or list", from_ip = "string or list", signed_in = "boolean", action = "string",
  status = "string", text = "string", mailbox = "string", targets = "list",
}

local function fail(i, text)
  error(("rules[%d]: %s"):format(i, text), 0)
end

local function as_list(value)
  return type(value) == "table" and value or { value }
end

---"*@example.test" -> a Lua pattern; * is any text, ? one character.
local function to_pattern(glob)
  local pattern = glob:lower():gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*+", ".*"):gsub("%?", ".")
  return "^" .. pattern .. "$"
end

---"192.0.2.1", "2001:db8::1" -> its bits as a string of bytes, or nil.
local function parse_ip(ip)
  local a, b, c, d = ip:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  if a then
    a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
    return a < 256 and b < 256 and c < 256 and d < 256 and string.char(a, b, c, d) or nil
  end
  local head, tail = ip:match("^(.-)::(.*)$")
  local function groups(text)
    local list = {}
    for group in text:gmatch("[^:]+") do
      local n = #group <= 4 and tonumber(group, 16)
      if not n then return nil end
      list[#list + 1] = string.char(n >> 8, n & 255)
    end
    return list
  end
  local first, last = groups(head or ip), groups(tail or "")
  if not first or not last then return nil end
  local missing = 8 - #first - #last
  if missing < 0 or (not head and missing ~= 0) then return nil end
  return table.concat(first) .. ("\0\0"):rep(missing) .. table.concat(last)
end

local function parse_network(text)
  local ip, bits = text:match("^([^/]+)/?(%d*)$")
  local octets = ip and parse_ip(ip)
  if not octets then return nil end
  local length = bits == "" and #octets * 8 or tonumber(bits)
  return length <= #octets * 8 and { octets = octets, bits = length } or nil
end

local function in_network(octets, network)
  if not octets or #octets ~= #network.octets then return false end
  local whole, rest = network.bits // 8, network.bits % 8
  if octets:sub(1, whole) ~= network.octets:sub(1, whole) then return false end
  if rest == 0 then return true end
  return octets:byte(whole + 1) >> (8 - rest) == network.octets:byte(whole + 1) >> (8 - rest)
end

local function fits_kind(kind, value)
  if kind == "string or list" then return type(value) == "string" or type(value) == "table" end
  if kind == "list" then return type(value) == "table" end
  return type(value) == kind
end

---The rule's answer, made once so that a wrong status is found when the plugin loads.
local function answer_of(i, rule)
  local action = rule.action
  if not ACTIONS[action] then
    fail(i, "action is accept, reject, tempfail, discard or redirect")
  elseif action == "redirect" then
    if not rule.targets or #rule.targets == 0 then fail(i, "redirect needs targets") end
    return mail.accept { redirect = rule.targets }
  elseif action == "accept" then
    return mail.accept(rule.mailbox and { mailbox = rule.mailbox } or nil)
  elseif action == "discard" then
    return mail.discard()
  end
  return mail[action](rule.status, rule.text)
end

local function compile(i, rule)
  for key, value in pairs(rule) do
    if not KEYS[key] then fail(i, ("unknown key %s"):format(tostring(key))) end
    if not fits_kind(KEYS[key], value) then fail(i, ("%s is a %s"):format(key, KEYS[key])) end
  end
  local compiled = { answer = answer_of(i, rule), signed_in = rule.signed_in }
  if rule.to then
    compiled.to = {}
    for n, glob in ipairs(as_list(rule.to)) do compiled.to[n] = to_pattern(glob) end
  end
  if rule.from_ip then
    compiled.networks = {}
    for n, text in ipairs(as_list(rule.from_ip)) do
      compiled.networks[n] = parse_network(text) or fail(i, text .. " is not a network")
    end
  end
  return compiled
end

local rules = {}
for i, rule in ipairs(options.rules) do rules[i] = compile(i, rule) end

local function any(list, fits)
  if not list then return true end
  for _, item in ipairs(list) do
    if fits(item) then return true end
  end
  return false
end

plugin:hook("accept_recipient", function(session, recipient)
  local address = recipient.address:lower()
  local ip = parse_ip(session.remote.ip)
  for _, rule in ipairs(rules) do
    if (rule.signed_in == nil or rule.signed_in == (session.user ~= nil))
      and any(rule.to, function(pattern) return address:find(pattern) ~= nil end)
      and any(rule.networks, function(network) return in_network(ip, network) end) then
      return rule.answer
    end
  end
end, { priority = options.priority })
