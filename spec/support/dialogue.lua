-- Dialogues: text files that say what the client sends and what the server answers.  They are
-- specs, and lessons to read.
--
--     # A title                         a comment; the first one is the title
--     @ max_recipients 2                a setting of the server this dialogue needs
--     C: EHLO client.example            a line from the client (CRLF is added)
--     C- half a line\r\n                octets from the client; \r \n \t \0 \\ \xHH are known
--     S: 250 2.1.0 *                    one line from the server; * is any text
--     S: 250*                           a whole reply of that code, however many lines
--     S: ...                            any lines up to the one that the next S: describes
--     S: 250-AUTH *    # why            two spaces and # begin a remark
--     TLS                               both sides do the handshake now
--     WAIT                              in no mode anything is sent before all above was answered
--     CLOSED                            the server closes the connection
--
-- A dialogue runs against any peer, an object with
--     peer:send(octets)
--     peer:receive() -> octets that came, nil when the server has closed (may block)
--     peer:start_tls()                  only for dialogues with TLS
-- in one of three modes: "line" (each client line, then its answers), "byte" (the same, one octet
-- at a time) and "all" (everything up to the next TLS or WAIT at once, then the answers).
local M = {}

---@class Dialogue
---@field path string
---@field title string
---@field options table<string, string|number|boolean>
---@field steps { kind: string, text: string, number: integer }[]

local escapes = { r = "\r", n = "\n", t = "\t", ["0"] = "\0", ["\\"] = "\\" }

local function unescape(text)
  text = text:gsub("\\x(%x%x)", function(hex) return "\\" .. ("\1%s\1"):format(hex) end)
  text = text:gsub("\\([rnt0\\])", escapes)
  return (text:gsub("\\\1(%x%x)\1", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function value_of(text)
  if text == "" or text == "true" then return true end
  if text == "false" then return false end
  return tonumber(text) or text
end

local function parse_line(script, line, number)
  local kind, text = line:match("^([CS][:%-]) ?(.*)$")
  if kind == "C:" then
    text = text:gsub("%s%s+#.*$", "") .. "\r\n"
  elseif kind == "C-" then
    kind, text = "C:", unescape((text:gsub("%s%s+#.*$", "")))
  elseif kind == "S:" then
    text = text:gsub("%s%s+#.*$", "")
  elseif line:match("^@") then
    local name, value = line:match("^@%s*([%w_]+)%s*(.-)%s*$")
    script.options[name] = value_of(value)
    return
  elseif line:match("^%u+%s*$") or line:match("^%u+%s+#") then
    kind, text = line:match("^%u+"), ""
  elseif line:match("^#") then
    if script.title == "" then script.title = line:match("^#%s*(.*)$") end
    return
  elseif line:match("^%s*$") then
    return
  end
  if not kind then error(("%s:%d: not a line of a dialogue: %s"):format(script.path, number, line), 0) end
  script.steps[#script.steps + 1] = { kind = kind, text = text, number = number }
end

---@return Dialogue
function M.parse(text, path)
  local script = { path = path, title = "", options = {}, steps = {} }
  local number = 0
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    parse_line(script, line, number)
  end
  return script
end

---@return Dialogue
function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return M.parse(file:read("a"), path)
end

---All dialogues whose file name begins with the prefix, in order.
---@return Dialogue[]
function M.all(prefix)
  local list = {}
  for name in require("lfs").dir("spec/dialogues") do
    if name:sub(1, #prefix) == prefix and name:find("%.txt$") then
      list[#list + 1] = "spec/dialogues/" .. name
    end
  end
  table.sort(list)
  for i, path in ipairs(list) do list[i] = M.read(path) end
  return list
end

---Whether a received line fits a pattern, in which * stands for any text.
function M.matches(line, pattern)
  local lua = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
  return line:find("^" .. lua .. "$") ~= nil
end

-- Running.

local Run = {}
Run.__index = Run

function Run:fail(step, what)
  error(("%s:%d: %s\n%s"):format(self.script.path, step.number, what,
    table.concat(self.transcript, "\n")), 0)
end

function Run:send(text)
  self.transcript[#self.transcript + 1] = "C: " .. text:gsub("\r\n$", ""):gsub("[\r\n]", "|"):sub(1, 200)
  if self.mode ~= "byte" then return self.peer:send(text) end
  for i = 1, #text do self.peer:send(text:sub(i, i)) end
end

---The next line of the server without CRLF, or nil when it has closed.
function Run:line()
  while true do
    local line, rest = self.received:match("^(.-)\r\n(.*)$")
    if line then
      self.received = rest
      self.transcript[#self.transcript + 1] = "S: " .. line
      return line
    end
    local more = self.peer:receive()
    if not more or more == "" then return nil end
    self.received = self.received .. more
  end
end

function Run:expect(step, next_step)
  local code = step.text:match("^(%d%d%d)%*$")
  if step.text == "..." then
    while true do
      local line = self:line()
      if not line then self:fail(step, "the server says no more") end
      if M.matches(line, next_step.text) then
        self.received = line .. "\r\n" .. self.received
        self.transcript[#self.transcript] = nil
        return
      end
    end
  elseif code then
    repeat
      local line = self:line()
      if not line then self:fail(step, "expected " .. step.text .. ", the server says no more") end
      if line:sub(1, 3) ~= code then self:fail(step, "expected " .. step.text .. ", got " .. line) end
    until line:sub(4, 4) ~= "-"
  else
    local line = self:line()
    if not line then self:fail(step, "expected " .. step.text .. ", the server says no more") end
    if not M.matches(line, step.text) then
      self:fail(step, "expected " .. step.text .. ", got " .. line)
    end
  end
end

function Run:closed(step)
  local line = self:line()
  if line then self:fail(step, "expected the end of the connection, got " .. line) end
  if self.peer:receive() ~= nil then self:fail(step, "expected the end of the connection") end
end

function Run:step(i)
  local step = self.script.steps[i]
  if step.kind == "C:" then
    self:send(step.text)
  elseif step.kind == "S:" then
    self:expect(step, self.script.steps[i + 1])
  elseif step.kind == "TLS" then
    self.peer:start_tls()
  elseif step.kind == "CLOSED" then
    self:closed(step)
  elseif step.kind ~= "WAIT" then
    self:fail(step, "unknown step " .. step.kind)
  end
end

---Everything the client says between two barriers in one write, then the answers.
function Run:group(from, to)
  local says = {}
  for i = from, to do
    if self.script.steps[i].kind == "C:" then says[#says + 1] = self.script.steps[i].text end
  end
  if #says > 0 then self:send(table.concat(says)) end
  for i = from, to do
    if self.script.steps[i].kind ~= "C:" then self:step(i) end
  end
end

---Run a dialogue; an error says file:line, what was expected, and the transcript so far.
---@param script Dialogue
---@param mode "line"|"byte"|"all"
function M.run(script, peer, mode)
  local run = setmetatable({ script = script, peer = peer, mode = mode, received = "", transcript = {} }, Run)
  local from = 1
  for i, step in ipairs(script.steps) do
    if mode ~= "all" then
      run:step(i)
    elseif step.kind == "TLS" or step.kind == "WAIT" or i == #script.steps then
      run:group(from, i)
      from = i + 1
    end
  end
end

return M
