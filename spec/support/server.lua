-- A real moonpost for a spec: own directory, own free ports, own accounts; always cleaned up.
--
--     local s = server.start { config = { smtp = { vrfy = true } }, plugins = { greylist = [[...]] } }
--     local mta = s:connect("mta")
--     ...
--     s:stop()
--
-- MOONPOST_SERVER is the binary (build/asan/moonpost in `make test`), else the release build.
local socket = require "socket"
local lfs = require "lfs"
local process = require("spec.support.bind")("process")
local peer = require "spec.support.peer"
local tree = require "spec.support.tree"

local M = {}
M.binary = os.getenv("MOONPOST_SERVER") or "build/release/moonpost"
M.services = { "mta", "submission", "submissions", "pop3", "pop3s" }
M.implicit_tls = { submissions = true, pop3s = true }

local READY_SECONDS, STOP_SECONDS = 15, 15

---@class Server
---@field data? string directory of lua/ and plugins/, if not the source tree
local Server = {}
Server.__index = Server

-- ---- configuration text ----

local function key_text(key)
  return type(key) == "string" and ("[%q]"):format(key) or ("[%d]"):format(key)
end

---Lua text of a value made of tables, strings, numbers and booleans.
local function serialize(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts, keys = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = key_text(key) .. " = " .. serialize(value[key])
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

---The second table laid over the first; lists are replaced as a whole.
local function merge(under, over)
  local out = {}
  for key, value in pairs(under) do out[key] = value end
  for key, value in pairs(over) do
    local both = type(value) == "table" and type(out[key]) == "table" and #value == 0 and #out[key] == 0
    out[key] = both and merge(out[key], value) or value
  end
  return out
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- ---- what every server needs ----

---Ports of the loopback that nobody listens on now.
local function free_ports(count)
  local held, ports = {}, {}
  for i = 1, count do
    held[i] = assert(socket.bind("127.0.0.1", 0))
    ports[i] = math.tointeger(tonumber((select(2, held[i]:getsockname()))))
  end
  for _, s in ipairs(held) do s:close() end
  return ports
end

---One CA and certificate for all specs of a run.
local function certificates()
  local dir = lfs.currentdir() .. "/build/test/tls"
  if not tree.exists(dir .. "/server.pem") then
    assert(os.execute("mkdir -p build/test && bin/moonpost-demo certificate '" .. dir .. "'"))
  end
  return dir
end

M.ipv6 = (function()
  local s = socket.tcp6 and socket.tcp6()
  local ok = s and s:bind("::1", 0)
  if s then s:close() end
  return ok ~= nil
end)()

local function base_config(s)
  local listeners = {}
  for _, service in ipairs(M.services) do
    listeners[#listeners + 1] = { service = service, address = { "127.0.0.1:" .. s.ports[service] } }
  end
  return {
    hostname = "mail.example.test",
    domains = { "example.test" },
    workers = 2,
    runtime = "run",
    store = { path = "store", map_octets = 1024 * 1024 * 1024, min_free_octets = 0 },
    tls = { certificates = { { chain = s.tls .. "/server.pem", key = s.tls .. "/server.key" } } },
    listeners = listeners,
    smtp = { auth_failure_delay = 0.02, auth_without_tls_on_loopback = true },
    pop3 = { auth_failure_delay = 0.02, auth_without_tls_on_loopback = true },
    log = { level = "debug" },
    lua = { cpu = 1 },                    -- the sanitizers make hooks slow
    plugins = { "auth_users" },
  }
end

-- ---- the object ----

---Run a sub-command against this server's configuration.
---@param words string[] for example { "user", "list" }
---@param input? string
---@return integer exit_code
---@return string output standard output and error
function Server:command(words, input)
  local argv = { M.binary }
  for _, word in ipairs(words) do argv[#argv + 1] = word end
  table.insert(argv, words.config_at or #argv + 1, "-c")
  table.insert(argv, (words.config_at or #argv) + 1, self.config_file)
  return M.run(argv, input)
end

---Run a program to its end.
---@param argv string[]
---@param input? string
---@param seconds? number
---@return integer exit_code 128 + n when killed by a signal, 124 when it took too long
---@return string output
function M.run(argv, input, seconds)
  local base = os.tmpname()
  write(base .. ".in", input or "")
  local pid = assert(process.spawn(argv, base .. ".in", base .. ".out"))
  local deadline = socket.gettime() + (seconds or 60)
  local how, code
  repeat
    how, code = process.reap(pid)
    if not how then
      socket.sleep(0.005)
      if socket.gettime() > deadline then
        process.kill(-pid, "KILL")
        while not process.reap(pid) do socket.sleep(0.005) end
        how, code = "exited", 124
      end
    end
  until how
  local output = tree.exists(base .. ".out") and tree.read(base .. ".out") or ""
  for _, suffix in ipairs { "", ".in", ".out" } do os.remove(base .. suffix) end
  return how == "exited" and code or 128 + code, output
end

function Server:log()
  return tree.exists(self.log_file) and tree.read(self.log_file) or ""
end

---Wait until the log has the pattern behind position `from`.
---@return string? match
function Server:wait_log(pattern, seconds, from)
  local deadline = socket.gettime() + (seconds or 5)
  repeat
    local found = self:log():match(pattern, from or 1)
    if found then return found end
    socket.sleep(0.01)
  until socket.gettime() > deadline
end

function Server:alive()
  if self.pid and process.reap(self.pid) then self.pid = nil end
  return self.pid ~= nil
end

function Server:launch()
  local from = #self:log() + 1
  local argv = { M.binary, "run", "-c", self.config_file }
  if self.data then argv = { "/usr/bin/env", "MOONPOST_DATADIR=" .. self.data, table.unpack(argv) } end
  self.pid = assert(process.spawn(argv, nil, self.log_file))
  local deadline = socket.gettime() + READY_SECONDS
  repeat
    if self:log():find("moonpost %S+ ready:", from) then return self end
    if not self:alive() then break end
    socket.sleep(0.01)
  until socket.gettime() > deadline
  local text = self:log()
  self:discard()
  error("moonpost did not start:\n" .. text, 2)
end

---End it as an operator would, and start it again on the same directory.
function Server:restart()
  self:finish()
  return self:launch()
end

---SIGTERM, then wait.
---@return string how
---@return integer code
function Server:finish()
  if not self.pid then return "gone", 0 end
  process.kill(self.pid, "TERM")
  local deadline = socket.gettime() + STOP_SECONDS
  repeat
    local how, code = process.reap(self.pid)
    if how then
      self.pid = nil
      return how, code
    end
    socket.sleep(0.01)
  until socket.gettime() > deadline
  process.kill(-self.pid, "KILL")
  while not process.reap(self.pid) do socket.sleep(0.01) end
  self.pid = nil
  return "hung", -1
end

---kill -9 of everything at once, as a power cut would.
function Server:kill_all()
  local pids = self:processes()
  process.kill(-self.pid, "KILL")
  while not process.reap(self.pid) do socket.sleep(0.005) end
  self.pid = nil
  for _, pid in ipairs(pids) do
    while process.kill(pid.pid, "NONE") and M.parent_of(pid.pid) do socket.sleep(0.005) end
  end
end

---@return integer? parent nil when the process is gone or a zombie
function M.parent_of(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  if not file then return nil end
  local text = file:read("a") or ""             -- it may end between open and read
  file:close()
  local state, parent = text:match("%) (%u) (%d+)")
  return parent and state ~= "Z" and tonumber(parent) or nil
end

---The children of the master: { pid =, name = "store" or "worker.1" ... }.
function Server:processes()
  local list = {}
  for name in lfs.dir("/proc") do
    local pid = math.tointeger(tonumber(name))
    if pid and M.parent_of(pid) == self.pid then
      local file = io.open("/proc/" .. pid .. "/cmdline", "rb")
      local words = file and file:read("a") or ""
      if file then file:close() end
      list[#list + 1] = { pid = pid, name = words:gsub("%z", " ") }
    end
  end
  table.sort(list, function(a, b) return a.pid < b.pid end)
  return list
end

---Pids of the children whose command line has the word.
function Server:pids(word)
  local pids = {}
  for _, p in ipairs(self:processes()) do
    if p.name:find(word, 1, true) then pids[#pids + 1] = p.pid end
  end
  return pids
end

---A client that is connected.  transport: "clear", "starttls" or "tls"; by default what the
---service begins with.
---@param service string
---@param options? table see spec/support/peer.lua
function Server:connect(service, options)
  options = options or {}
  return peer.connect {
    host = options.host or "127.0.0.1", port = self.ports[service], timeout = options.timeout,
    tls = M.implicit_tls[service] or options.tls, ca = self.tls .. "/ca.pem", name = options.name,
    proxy = options.proxy, protocol = options.protocol,
  }
end

---A POP3 client that is signed in.
function Server:maildrop(user, password, service)
  local c = self:connect(service or "pop3")
  c:line()
  c:ask("USER " .. user)
  local reply = c:ask("PASS " .. (password or self.users[user]))
  return reply:find("^%+OK") and c or nil, reply
end

---Hand one message to the server; the reply to the final dot, or the first refusal.
function Server:deliver(from, to, text)
  local c = self:connect("mta")
  c:reply()
  c:command("EHLO client.example")
  local ok, reply = c:mail(from, to, text)
  c:close()
  return ok, reply
end

function Server:discard()
  if self.pid then
    process.kill(-self.pid, "KILL")
    while not process.reap(self.pid) do socket.sleep(0.005) end
    self.pid = nil
  end
  if not os.getenv("MOONPOST_KEEP") then os.execute("rm -rf '" .. self.dir .. "'") end
end

---Stop and remove everything; an error when the sanitizers complained or it did not end well.
function Server:stop()
  local how, code = self:finish()
  local text = self:log()
  self:discard()
  if text:find("Sanitizer", 1, true) or text:find("runtime error:", 1, true) then
    error("the sanitizers complained:\n" .. text:sub((text:find("Sanitizer", 1, true) or 1) - 300), 2)
  end
  local leak = text:match("[^\n]*plugin leak[^\n]*")
  if leak then error("a plugin forgot something:\n" .. leak, 2) end
  if how ~= "gone" and not (how == "exited" and code == 0) then
    error(("the server ended with %s %d:\n%s"):format(how, code, text:sub(-3000)), 2)
  end
end

---@class ServerOptions
---@field config? table laid over the usual configuration
---@field users? table<string, string> names and passwords
---@field plugins? table<string, string> plugin name -> Lua text; asked in the order of their names
---@field start? boolean false: only prepare the directory

---@param options? ServerOptions
function M.start(options)
  options = options or {}
  local s = setmetatable({ dir = assert(process.directory()), ports = {}, tls = certificates() }, Server)
  local ports = free_ports(#M.services)
  for i, service in ipairs(M.services) do s.ports[service] = ports[i] end
  s.users = options.users or { ["alice@example.test"] = "alice-secret", ["bob@example.test"] = "bob-secret" }
  s.config_file, s.log_file = s.dir .. "/moonpost.lua", s.dir .. "/log"
  local config = base_config(s)
  local fragment = options.config or {}
  if type(fragment) == "function" then fragment = fragment(s) end
  config = merge(config, fragment)
  if options.plugins then
    lfs.mkdir(s.dir .. "/plugins")
    local names = {}
    for name, text in pairs(options.plugins) do
      write(s.dir .. "/plugins/" .. name .. ".lua", text)
      names[#names + 1] = name
    end
    table.sort(names)
    names[#names + 1] = "auth_users"
    config.plugins = fragment.plugins or names
    config.plugin_path = { s.dir .. "/plugins", lfs.currentdir() .. "/plugins" }
  end
  write(s.config_file, "return " .. serialize(config) .. "\n")
  for user, password in pairs(s.users) do
    local code, output = s:command({ "user", "add", user }, password .. "\n")
    if code ~= 0 then
      s:discard()
      error(("user add %s: exit code %d\n%s"):format(user, code, output), 2)
    end
  end
  if options.start == false then return s end
  return s:launch()
end

---Change the configuration file of a running server (reload it with a HUP).
function Server:configure(fragment)
  local config = assert(load(tree.read(self.config_file), "config", "t", {}))()
  write(self.config_file, "return " .. serialize(merge(config, fragment)) .. "\n")
end

function Server:signal(name)
  process.kill(self.pid, name)
end

return M
