-- Header fields added, changed and removed by rules, in the order of the rules, when a message is
-- accepted.  In values, ${name} stands for what is known of the session and the envelope.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"

local options = plugin:options {
  rules = { "list", of = "table" },
  priority = { "integer", default = 0 },
}

local ACTIONS = { add = true, set = true, remove = true }
local KEYS = {
  action = "string", field = "string", value = "string", top = "boolean",
  signed_in = "boolean", listener = "string", sender = "string", recipient = "string", has = "string",
  lacks = "string",
}

local function fail(i, text)
  error(("rules[%d]: %s"):format(i, text), 0)
end

-- What ${...} stands for; "" where it is not known.
local VALUES = {
  hostname = function() return mail.hostname end,
  id = function(session) return session.id end,
  ip = function(session) return session.remote.ip end,
  helo = function(session) return session.helo end,
  user = function(session) return session.user end,
  listener = function(session) return session.listener end,
  tls = function(session) return session.tls and session.tls.version or "none" end,
  sender = function(_, envelope) return envelope.sender end,
  recipients = function(_, envelope) return tostring(#envelope.recipients) end,
}

---"*@example.test" -> a Lua pattern; * is any text, ? one character.
local function to_pattern(glob)
  local pattern = glob:lower():gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("%*+", ".*"):gsub("%?", ".")
  return "^" .. pattern .. "$"
end

local function check_name(i, key, name)
  if not name:find("^[!-9;-~]+$") or #name > 76 then
    fail(i, ("%s: %q is no name of a header field"):format(key, name))
  elseif name:lower() == "return-path" and key == "field" then
    fail(i, "Return-Path is the envelope's sender and cannot be changed here")
  end
end

local function check(i, rule)
  for key, value in pairs(rule) do
    if not KEYS[key] then fail(i, ("unknown key %s"):format(tostring(key))) end
    if type(value) ~= KEYS[key] then fail(i, ("%s is a %s"):format(key, KEYS[key])) end
  end
  if not ACTIONS[rule.action] then fail(i, "action is add, set or remove") end
  if not rule.field then fail(i, "field is missing") end
  for _, key in ipairs { "field", "has", "lacks" } do
    if rule[key] then check_name(i, key, rule[key]) end
  end
  if rule.action == "remove" and rule.value then fail(i, "remove has no value") end
  if rule.action ~= "remove" and not rule.value then fail(i, rule.action .. " needs a value") end
  if rule.action ~= "add" and rule.top ~= nil then fail(i, "top is for add alone") end
  for name in (rule.value or ""):gmatch("%${([^}]*)}") do
    if not VALUES[name] then fail(i, ("unknown ${%s}"):format(name)) end
  end
  if (rule.value or ""):find("[%c]") then fail(i, "value is one line of text") end
end

local rules = {}
for i, rule in ipairs(options.rules) do
  check(i, rule)
  rules[i] = {
    action = rule.action, field = rule.field, value = rule.value, how = { top = rule.top or false },
    signed_in = rule.signed_in, listener = rule.listener, has = rule.has, lacks = rule.lacks,
    sender = rule.sender and to_pattern(rule.sender), recipient = rule.recipient and to_pattern(rule.recipient),
  }
end

local function any_recipient(envelope, pattern)
  for _, recipient in ipairs(envelope.recipients) do
    if recipient.address:lower():find(pattern) then return true end
  end
  return false
end

local function fits(rule, session, envelope, message)
  return (rule.signed_in == nil or rule.signed_in == (session.user ~= nil))
    and (not rule.listener or rule.listener == session.listener)
    and (not rule.sender or envelope.sender:lower():find(rule.sender) ~= nil)
    and (not rule.recipient or any_recipient(envelope, rule.recipient))
    and (not rule.has or message:header(rule.has) ~= nil)
    and (not rule.lacks or message:header(rule.lacks) == nil)
end

local function expand(text, session, envelope)
  return (text:gsub("%${([^}]*)}", function(name) return VALUES[name](session, envelope) or "" end))
end

---true, or nil and why.
local function apply(rule, session, envelope, message)
  if rule.action == "remove" then return message:remove(rule.field) end
  local value = expand(rule.value, session, envelope)
  if rule.action == "set" then return message:set(rule.field, value) end
  return message:add(rule.field, value, rule.how)
end

plugin:hook("accept_message", function(session, envelope, message)
  for i, rule in ipairs(rules) do
    if fits(rule, session, envelope, message) then
      local ok, why = apply(rule, session, envelope, message)
      if not ok then
        mail.log.warn("a header field is left as it is", { rule = i, field = rule.field, why = why })
      end
    end
  end
end, { priority = options.priority, protocol = "smtp" })
