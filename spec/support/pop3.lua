-- A POP3 session in process, for specs (spec/support/bind_pop3.c).
--
--   local pop3 = require "spec.support.pop3"
--   local s = pop3.new { mailbox = { "From: a\r\n\r\nhello\r\n" } }
--   s:login()                       -- USER kcope, PASS secret
--   assert.equal("+OK 1 18\r\n", s:say("STAT"))
--
-- Options beside those of pop3.new: settings = { names of struct pop3_settings }, loopback, tls,
-- tls_available, channel_binding, hooks = { names }, policy = function(question) -> nil, a verdict
-- table {kind, status, text, delay, user, mailbox, plain} or "later"; the maildrop: mailbox =
-- { octets | {octets, size, uidl, dots, open_end} ... }, last_login, slice (octets per read), open = status,
-- sends_files (the host does), range (most octets of a file at once, 0: none), ranges (filled: asked for),
-- open_later, read_later, read_fail_at, commit = status, commit_later; and lists that are filled:
-- opened, reads, committed.
local bind = require "spec.support.bind"("pop3")

local M = {}

---@class spec.Pop3
local Session = {}
Session.__index = function(_, key)
  return Session[key] or function(self, ...)
    local method = self.raw[key]
    local result = method(self.raw, ...)
    if result == self.raw then return self end
    return result
  end
end

-- Everybody whose password is "secret" may in.
local function default_policy(question)
  if question.hook == "auth" then
    if question.password == "secret" then return { kind = "accept", user = question.user } end
    return { kind = "reject" }
  elseif question.hook == "secret" then
    return { kind = "accept", user = question.user, plain = "secret" }
  end
end

---A session whose greeting was made. Loopback is on, delays are off, unless the options say so.
function M.new(options)
  options = options or {}
  local settings = { hostname = "mail.example.test", auth_failure_delay_ms = 0 }
  for key, value in pairs(options.settings or {}) do settings[key] = value end
  local all = { policy = default_policy, loopback = true, hooks = { "secret" } }
  for key, value in pairs(options) do all[key] = value end
  for _, list in ipairs { "opened", "reads", "committed" } do all[list] = all[list] or {} end
  all.settings = settings
  local self = setmetatable({ options = all }, Session)
  rawset(self, "raw", bind.new(all))
  return self
end

---Everything the server wants to send, written out until it waits for the client or for us.
function Session:read_all()
  local parts = { self.raw:take() }
  while true do
    local wants = self.raw:wants()
    if wants == "drain" then
      self.raw:drained()
    elseif wants == "file" then
      parts[#parts + 1] = self.raw:send_file()
    else
      break
    end
    parts[#parts + 1] = self.raw:take()
  end
  return table.concat(parts)
end

---Send lines (CRLF is added to each) in one packet; returns all that comes back.
function Session:say(...)
  self.raw:feed(table.concat({ ... }, "\r\n") .. "\r\n")
  return self:read_all()
end

---The same, one octet per packet.
function Session:say_slowly(...)
  local parts = {}
  for octet in (table.concat({ ... }, "\r\n") .. "\r\n"):gmatch(".") do
    self.raw:feed(octet)
    parts[#parts + 1] = self:read_all()
  end
  return table.concat(parts)
end

---Read the greeting and sign in.
function Session:login(name)
  self:read_all()
  return self:say("USER " .. (name or "kcope"), "PASS secret")
end

---Lines of what the observer saw: "kind line" for each event of these kinds.
function Session:seen(...)
  local wanted, list = {}, {}
  for _, kind in ipairs { ... } do wanted[kind] = true end
  for _, event in ipairs(self.raw:events()) do
    if wanted[event.kind] then list[#list + 1] = event.kind .. " " .. event.line end
  end
  return list
end

---A message of exactly that many octets: a header, an empty line, lines of the body.
function M.message(octets)
  local head = "Subject: spec\r\n\r\n"
  local left = octets - #head
  local lines = {}
  while left > 0 do
    local n = left > 72 and 70 or left
    lines[#lines + 1] = ("x"):rep(n - 2) .. "\r\n"
    left = left - n
  end
  return head .. table.concat(lines)
end

return M
