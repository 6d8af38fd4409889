-- A client on a real socket: bytes out, bytes in, TLS when asked; lines and replies on top.
--
-- send() and receive() are all that spec/support/dialogue.lua needs, so a dialogue runs on the wire
-- as it runs in process.
local socket = require "socket"
local ssl = require "ssl"

local M = {}

---@class Peer
local Peer = {}
Peer.__index = Peer

local TIMEOUT = 10

---@class PeerOptions
---@field host string
---@field port integer
---@field tls? boolean TLS from the first octet
---@field ca? string file with the CA
---@field name? string server name to ask for (SNI)
---@field protocol? string "tlsv1_2", "tlsv1_3" ...; default: what both can
---@field proxy? string octets of a PROXY header, sent first
---@field timeout? number seconds

---@param options PeerOptions
function M.connect(options)
  local raw = options.host:find(":", 1, true) and socket.tcp6() or socket.tcp4()
  raw:settimeout(options.timeout or TIMEOUT)
  assert(raw:connect(options.host, options.port))
  raw:setoption("tcp-nodelay", true)
  local self = setmetatable({ raw = raw, socket = raw, options = options, buffer = "", at = 1 }, Peer)
  if options.proxy then self:send(options.proxy) end
  if options.tls then assert(self:starttls()) end
  return self
end

---Client side of a TLS handshake on the connection.
---@return boolean? ok
---@return string? problem
function Peer:starttls()
  local o = self.options
  local wrapped, problem = ssl.wrap(self.raw, {
    mode = "client", protocol = o.protocol or "any", verify = o.ca and "peer" or "none", cafile = o.ca,
    options = { "all", "no_sslv2", "no_sslv3" },
  })
  if not wrapped then return nil, problem end
  wrapped:sni(o.name or "mail.example.test")
  wrapped:settimeout(o.timeout or TIMEOUT)
  local ok
  ok, problem = wrapped:dohandshake()
  if not ok then return nil, problem end
  self.socket = wrapped
  return true
end

---The same for dialogues.
function Peer:start_tls()
  assert(self:starttls())
end

---@param octets string
---@return boolean? ok nil when the connection is gone
function Peer:send(octets)
  local at = 1
  while at <= #octets do
    local last, problem, partial = self.socket:send(octets, at)
    if not last and problem ~= "timeout" and problem ~= "wantwrite" and problem ~= "wantread" then
      return nil, problem
    end
    at = (last or partial or at - 1) + 1
  end
  return true
end

---Octets that came, at least one; nil and "closed" or "timeout" when there are none.
---@param seconds? number
---@return string? octets
---@return string? problem
function Peer:receive(seconds)
  if self.at <= #self.buffer then
    local octets = self.buffer:sub(self.at)
    self.buffer, self.at = "", 1
    return octets
  end
  self.socket:settimeout(0)
  local deadline = socket.gettime() + (seconds or self.options.timeout or TIMEOUT)
  while true do
    local whole, problem, part = self.socket:receive(65536)
    local octets = whole or part
    if octets and #octets > 0 then
      self.socket:settimeout(self.options.timeout or TIMEOUT)
      return octets
    end
    if problem ~= "timeout" and problem ~= "wantread" and problem ~= "wantwrite" then return nil, "closed" end
    local left = deadline - socket.gettime()
    if left <= 0 then return nil, "timeout" end
    socket.select({ self.socket }, nil, left)
  end
end

---Whether the server has closed the connection, waiting for it; what it still sent is thrown away.
function Peer:closed(seconds)
  local deadline = socket.gettime() + (seconds or TIMEOUT)
  repeat
    local octets, problem = self:receive(deadline - socket.gettime())
    if not octets then return problem == "closed" end
  until socket.gettime() > deadline
  return false
end

---One line without its CRLF; an error when none comes.
function Peer:line()
  local stop = self.buffer:find("\n", self.at, true)
  while not stop do
    local kept = self.buffer:sub(self.at)
    self.buffer, self.at = "", 1
    local octets, problem = self:receive()
    if not octets then
      error(("no line: %s (there is %q)"):format(problem, kept), 2)
    end
    self.buffer = kept .. octets
    stop = self.buffer:find("\n", 1, true)
  end
  local line = self.buffer:sub(self.at, stop - 1):gsub("\r$", "")
  self.at = stop + 1
  return line
end

---Put a line back in front of what came: a dialogue will read it.
function Peer:unread(line)
  self.buffer, self.at = line .. "\r\n" .. self.buffer:sub(self.at), 1
end

---Send one line and give the next one that comes.
function Peer:ask(line)
  assert(self:send(line .. "\r\n"))
  return self:line()
end

---A multi-line POP3 body up to the dot, unstuffed, with CRLF line ends.
function Peer:body()
  local lines = {}
  while true do
    local line = self:line()
    if line == "." then break end
    lines[#lines + 1] = (line:gsub("^%.", "")) .. "\r\n"
  end
  return table.concat(lines)
end

---Ask for a multi-line POP3 reply: its first line and its body (nil after -ERR).
function Peer:fetch(command)
  local first = self:ask(command)
  return first, first:find("^%+OK") and self:body() or nil
end

---One SMTP reply: its code, and its texts without codes, one per line.
---@return integer code
---@return string text
function Peer:reply()
  local texts = {}
  while true do
    local code, more, text = self:line():match("^(%d%d%d)([- ]?)(.*)$")
    if not code then error("not an SMTP reply", 2) end
    texts[#texts + 1] = text
    if more ~= "-" then return math.tointeger(tonumber(code)), table.concat(texts, "\n") end
  end
end

---Send one SMTP command and give its reply.
function Peer:command(line)
  assert(self:send(line .. "\r\n"))
  return self:reply()
end

---The octets of a message as they go behind DATA: stuffed, with the final dot.
function M.stuffed(text)
  return (("\r\n" .. text):gsub("\r\n%.", "\r\n.."):sub(3)) .. ".\r\n"
end

---One whole transaction.  text has CRLF line ends.
---@return boolean accepted
---@return string reply code and text of the last reply
function Peer:mail(from, to, text)
  local function step(expected, line)
    local code, reply = self:command(line)
    if code // 100 ~= expected then error({ code .. " " .. reply }) end
    return code .. " " .. reply
  end
  local ok, result = pcall(function()
    step(2, "MAIL FROM:<" .. from .. ">")
    for _, recipient in ipairs(type(to) == "table" and to or { to }) do
      step(2, "RCPT TO:<" .. recipient .. ">")
    end
    step(3, "DATA")
    return step(2, M.stuffed(text):sub(1, -3))
  end)
  if ok then return true, result end
  if type(result) == "table" then return false, result[1] end
  error(result, 0)
end

---Sign in with AUTH PLAIN.
function Peer:auth_plain(user, password)
  local mime = require "mime"
  return self:command("AUTH PLAIN " .. (mime.b64("\0" .. user .. "\0" .. password)))
end

function Peer:close()
  self.socket:close()
  if self.socket ~= self.raw then pcall(self.raw.close, self.raw) end
end

return M
