-- An SMTP server without sockets, for specs: alice, bob and postmaster of example.test get mail,
-- a password is the local part, what is delivered is kept.
local bind = require "spec.support.bind" ("smtp")

local M = {}

local users = { ["alice@example.test"] = true, ["bob@example.test"] = true, postmaster = true }

---What the default directory would say.
function M.policy(question)
  if question.hook == "accept_recipient" then
    local name = (question.localpart .. (question.domain ~= "" and "@" .. question.domain or "")):lower()
    if users[name] then return { kind = "accept", targets = { name } } end
    if question.domain == "example.test" then
      return { kind = "reject", status = "5.1.1", text = "No such user here" }
    end
    return nil
  elseif question.hook == "auth" then
    if users[question.user] and question.password == question.user:match("^[^@]+") then
      return { kind = "accept", user = question.user }
    end
    return { kind = "reject", status = "5.7.8", text = "Wrong user name or password" }
  end
  return nil
end

local mechanisms = { PLAIN = 1, LOGIN = 2 }
M.PLAIN, M.LOGIN = mechanisms.PLAIN, mechanisms.LOGIN

---@class SmtpPeer
---@field session table
---@field mails { envelope: table, octets: string }[]
local Peer = {}
Peer.__index = Peer

---A server with those options (see bind_smtp.c); its greeting is not yet read.
---@return SmtpPeer
function M.peer(options)
  local peer = setmetatable({ mails = {}, events = {} }, Peer)
  local o = {}
  for key, value in pairs(options or {}) do o[key] = value end
  o.policy = o.policy or M.policy
  o.auth_mechanisms = o.auth_mechanisms or mechanisms.PLAIN | mechanisms.LOGIN
  local deliver = o.deliver
  o.deliver = function(envelope, octets)
    local answer = deliver and deliver(envelope, octets)
    if not answer or answer == "OK" then
      peer.mails[#peer.mails + 1] = { envelope = envelope, octets = octets }
    end
    return answer
  end
  o.observe = function(event) peer.events[#peer.events + 1] = event end
  peer.session = bind.new(o)
  return peer
end

function Peer:send(octets) self.session:feed(octets) end

function Peer:receive()
  local octets = self.session:take()
  while octets == "" and self.session:wants() == "wait" and self.session:timers() > 0 do
    self.session:delayed()                  -- nobody waits in a spec
    octets = self.session:take()
  end
  if octets == "" and self.session:wants() == "close" then return nil end
  return octets
end

function Peer:start_tls() self.session:tls_started() end

---Send lines, return all that comes back.
function Peer:say(...)
  for _, line in ipairs { ... } do self.session:feed(line .. "\r\n") end
  return self.session:take()
end

---Ready for MAIL.
function Peer:hello()
  self.session:take()
  self:say "EHLO client.example"
  return self
end

---Ready for the message: behind 354.
function Peer:to_data()
  self:say("MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>", "DATA")
  return self
end

---The message of the last mail without the trace fields in front of it.
function Peer:text()
  local mail = self.mails[#self.mails]
  return mail and (mail.octets:gsub("^Return%-Path: [^\n]*\n", ""):gsub("^Received: [^\n]*\n", "")
    :gsub("^\t[^\n]*\n", ""):gsub("^\t[^\n]*\n", ""))
end

M.log = bind.log

---The three digits of each reply, separated by spaces.
function M.codes(replies)
  local list = {}
  for code in replies:gmatch("(%d%d%d) [^\r]*\r\n") do list[#list + 1] = code end
  return table.concat(list, " ")
end

return M
