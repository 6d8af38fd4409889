-- How much of what is too much: connections, failed logins, messages and recipients, counted by
-- client address, user, recipient or sender's domain in token buckets that all workers share.  What
-- is over a limit waits or is refused for now, and the client is told when to try again.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"
local network = require "moonpost.network"

local options = plugin:options {
  rules = { "list", of = "table" },
  except = { "list", of = "string", default = {} },
  ipv6_bits = { "integer", default = 64, min = 16, max = 128 },
  when_unavailable = { "string", default = "pass", one_of = { "pass", "tempfail" } },
  priority = { "integer", default = 10 },
}

local DELAY_MAX = 20
local KEYS = { count = "string", per = "string", limit = "number", seconds = "number", burst = "number",
  action = "string", max_delay = "number", signed_in = "boolean", services = "table", name = "string" }
-- What is counted, and by what it can be.
local PER = {
  connections = { address = true, all = true },
  login_failures = { address = true, user = true },
  messages = { address = true, user = true, sender_domain = true, all = true },
  recipients = { address = true, user = true, recipient = true, sender_domain = true, all = true },
}
local WORDS = { connections = "connections", login_failures = "failed logins", messages = "messages",
  recipients = "recipients" }
local SERVICES = { mta = true, submission = true, submissions = true, pop3 = true, pop3s = true }

-- ---- rules ----

local function fail(i, text)
  error(("option rules[%d] of plugin limits: %s"):format(i, text), 0)
end

local function names(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

local function check_kinds(i, rule)
  for key, value in pairs(rule) do
    if not KEYS[key] then fail(i, ("unknown key %s; there are %s"):format(tostring(key), names(KEYS))) end
    if type(value) ~= KEYS[key] then fail(i, ("%s is a %s, not a %s"):format(key, KEYS[key], type(value))) end
  end
  if not PER[rule.count] then fail(i, "count is one of " .. names(PER)) end
  if not PER[rule.count][rule.per] then
    fail(i, ("%s are counted per %s"):format(rule.count, names(PER[rule.count])))
  end
  if not rule.limit or rule.limit <= 0 or not rule.seconds or rule.seconds <= 0 then
    fail(i, "limit and seconds say how much in which time; both are more than 0")
  end
end

local function service_set(i, list)
  if not list then return nil end
  local set = {}
  for _, name in ipairs(list) do
    if not SERVICES[name] then
      fail(i, ("there is no service \"%s\"; there are %s"):format(tostring(name), names(SERVICES)))
    end
    set[name] = true
  end
  return set
end

---@class limits.Rule
---@field bucket moonpost.Limit

local used = {}

local function compile(i, rule)
  check_kinds(i, rule)
  local name = rule.name or ("rule%d-%s-%s"):format(i, rule.count, rule.per)
  if used[name] then fail(i, "name is that of another rule, so both would count in the same buckets") end
  used[name] = true
  local action = rule.action or "tempfail"
  if action ~= "tempfail" and action ~= "delay" then fail(i, "action is tempfail or delay") end
  if action == "delay" and rule.count == "login_failures" then
    fail(i, "failed logins are delayed by smtp.auth_failure_delay and pop3.auth_failure_delay; here they are refused")
  end
  local max_delay = rule.max_delay or 10
  if max_delay < 0 or max_delay > DELAY_MAX then fail(i, ("max_delay is 0 to %d seconds"):format(DELAY_MAX)) end
  local made, bucket = pcall(mail.limit, { name = name,
    rate = rule.limit / rule.seconds, burst = rule.burst or math.max(1, rule.limit) })
  if not made then fail(i, (tostring(bucket):gsub("^.-mail%.limit: ", ""))) end
  return { count = rule.count, per = rule.per, bucket = bucket, delay = action == "delay" and max_delay or nil,
    signed_in = rule.signed_in, services = service_set(i, rule.services) }
end

local rules = { connections = {}, login_failures = {}, messages = {}, recipients = {} }
for i, rule in ipairs(options.rules) do
  local compiled = compile(i, rule)
  table.insert(rules[compiled.count], compiled)
end

local except, problem = network.parse_all(options.except)
if not except then error("option except of plugin limits: " .. problem, 0) end

-- ---- counting ----

local function in_words(seconds)
  if seconds == 1 then return "a second" end
  if seconds < 120 then return ("%d seconds"):format(seconds) end
  if seconds < 7200 then return ("%d minutes"):format(math.ceil(seconds / 60)) end
  return ("%d hours"):format(math.ceil(seconds / 3600))
end

local function refusal(rule, key, wait)
  local of = rule.per == "all" and "" or (rule.per == "recipient" and " to " or " of ") .. key
  return mail.tempfail(rule.count == "recipients" and "4.7.1" or "4.7.0",
    ("Too many %s%s, try again in %s"):format(WORDS[rule.count], of:gsub("[%c]", "?"):sub(1, 200), in_words(wait)))
end

local function unavailable(why)
  mail.log.warn("limits cannot count", { why = why })
  if options.when_unavailable == "tempfail" then
    return mail.tempfail("4.3.0", "Counting does not work now, try again later")
  end
end

local function wants(rule, session)
  return (rule.signed_in == nil or rule.signed_in == (session.user ~= nil))
    and (not rule.services or rule.services[session.service])
end

---Take a token of the rule's bucket for the key, wait for it if the rule says so; the refusal, or nil.
local function take(rule, key)
  local deadline = rule.delay and mail.now() + rule.delay
  while true do
    local ok, wait, exact = rule.bucket:take(key)
    if ok == nil then return unavailable(wait) end
    if ok then return nil end
    if not deadline or mail.now() + exact > deadline then return refusal(rule, key, wait) end
    mail.sleep(exact)
  end
end

---By every rule for what is counted; keys says per what, without those that do not apply.
local function count(what, session, keys)
  for _, rule in ipairs(rules[what]) do
    local key = keys[rule.per]
    if key and wants(rule, session) then
      local refused = take(rule, key)
      if refused then return refused end
    end
  end
end

local function address_of(session)
  return network.of(session.remote.ip, 32, options.ipv6_bits)
end

local function excepted(session)
  return network.contains(except, session.remote.ip)
end

local function domain_of(address)
  return address:match("@([^@]+)$") or "<>"
end

local function sender_domain(session)
  return session.data["limits.sender_domain"]
end

local function listen(what, hook, fn)
  if #rules[what] > 0 then plugin:hook(hook, fn, { priority = options.priority }) end
end

-- ---- hooks ----

listen("connections", "accept_connection", function(session)
  if excepted(session) then return end
  return count("connections", session, { address = address_of(session), all = "all" })
end)

local function remember_sender(session, sender)
  session.data["limits.sender_domain"] = domain_of(sender.address:lower())
end
if #rules.messages + #rules.recipients > 0 then
  plugin:hook("accept_sender", remember_sender, { priority = options.priority })
end

listen("recipients", "accept_recipient", function(session, recipient)
  if excepted(session) then return end
  return count("recipients", session, { address = address_of(session), user = session.user,
    recipient = recipient.address:lower(), sender_domain = sender_domain(session), all = "all" })
end)

listen("messages", "accept_data", function(session)
  if excepted(session) then return end
  return count("messages", session, { address = address_of(session), user = session.user,
    sender_domain = sender_domain(session), all = "all" })
end)

---Whether there were too many failures already: one token must be left.
local function check_failures(session, user)
  if excepted(session) then return end
  local keys = { address = address_of(session), user = user:lower() }
  for _, rule in ipairs(rules.login_failures) do
    if wants(rule, session) then
      local key = keys[rule.per]
      local ok, left = rule.bucket:take(key, 0)
      if ok == nil then return unavailable(left) end
      if left < 1 then
        local taken, wait = rule.bucket:take(key)
        if taken == false then return refusal(rule, key, wait) end
      end
    end
  end
end

listen("login_failures", "auth", function(session, credentials) return check_failures(session, credentials.user) end)
listen("login_failures", "secret", function(session, _, user) return check_failures(session, user) end)
listen("login_failures", "token", function(session, _, user) return check_failures(session, user) end)

if #rules.login_failures > 0 then
  plugin:hook("on_login", function(session, event)
    local kind = event.verdict and event.verdict.kind
    if (kind ~= "reject" and kind ~= "disconnect") or excepted(session) then return end
    local keys = { address = address_of(session), user = (event.line or ""):match("^%S+ (.+)$") }
    for _, rule in ipairs(rules.login_failures) do
      local key = keys[rule.per] and keys[rule.per]:lower()
      if key and wants(rule, session) then rule.bucket:take(key) end
    end
  end)
end
