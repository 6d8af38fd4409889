-- What the measuring scripts share: a server fit for many sessions, the load generator, results
-- as JSON lines under build/bench.
local lfs = require "lfs"
local process = require("spec.support.bind")("process")
local server = require "spec.support.server"
local socket = require "socket"

local M = { server = server, process = process, out = "build/bench" }
M.load = "build/release/load"

---Everybody may sign in and everybody has a mailbox: what is measured is not the password hash.
M.open_plugin = [[
local plugin = ...
plugin:hook("auth", function(_, login) return { user = login.user } end)
plugin:hook("accept_recipient", function(_, recipient)
  return require("moonpost").accept { mailbox = recipient.address }
end)
]]

---A server for sessions from few addresses.
---@param config? table
---@param plugins? table<string, string>
function M.start(config, plugins)
  local base = {
    log = { level = "warn" }, max_sessions = 100000, max_sessions_per_ip = 100000,
    max_session_time = 14400, handshake_timeout = 120,
    smtp = { command_timeout = 1800, max_transactions = 0 },
    pop3 = { login_timeout = 600, idle_timeout = 1800, auth_without_tls_on_loopback = true },
    store = { map_octets = 32 << 30 },
    lua = { cpu = 0.05 },
  }
  for key, value in pairs(config or {}) do
    if type(value) == "table" and type(base[key]) == "table" then
      for k, v in pairs(value) do base[key][k] = v end
    else
      base[key] = value
    end
  end
  return server.start { config = base, plugins = plugins or { open = M.open_plugin } }
end

---Start the generator; options as its command line: { scenario = "smtp-send", port = 25 }.
---@return table job
function M.begin(options)
  local argv, out = { M.load }, os.tmpname()
  os.remove(out)
  for name, value in pairs(options) do
    if value then argv[#argv + 1] = "--" .. name:gsub("_", "-") end
    if value and value ~= true then argv[#argv + 1] = tostring(value) end
  end
  return { pid = assert(process.spawn(argv, nil, out)), out = out }
end

local function parse(text)
  local r = {}
  for key, value in text:gmatch('"([%w_]+)":("?[^,}"]*)') do
    r[key] = tonumber(value) or value:gsub('^"', "")
  end
  return r
end

---Wait for it.
---@return table result its JSON line as a table
function M.finish(job)
  while not process.reap(job.pid) do socket.sleep(0.02) end
  local file = assert(io.open(job.out))
  local text = file:read("a")
  file:close()
  os.remove(job.out)
  local r = parse(text)
  assert(r.operations, "the load generator failed: " .. text)
  if r.failed > 0 then error(("%s: %d failed: %s"):format(r.name, r.failed, r.error or ""), 2) end
  return r
end

function M.run(options)
  return M.finish(M.begin(options))
end

---Proportional set size in KiB, and what of it is anonymous, of a process or a list of them.
function M.memory(pids)
  local pss, anonymous = 0, 0
  for _, pid in ipairs(type(pids) == "table" and pids or { pids }) do
    for line in io.lines("/proc/" .. pid .. "/smaps_rollup") do
      pss = pss + (line:match("^Pss:%s+(%d+)") or 0)
      anonymous = anonymous + (line:match("^Pss_Anon:%s+(%d+)") or 0)
    end
  end
  return pss, anonymous
end

---CPU seconds so far of each thread of a process.
function M.threads(pid)
  local seconds = {}
  for task in lfs.dir("/proc/" .. pid .. "/task") do
    local f = task:find("^%d") and io.open("/proc/" .. pid .. "/task/" .. task .. "/schedstat")
    if f then
      seconds[task] = (f:read("n") or 0) / 1e9
      f:close()
    end
  end
  return seconds
end

---CPU seconds of a process so far.
function M.cpu(pid)
  local sum = 0
  for _, seconds in pairs(M.threads(pid)) do sum = sum + seconds end
  return sum
end

---Pids of the server: master, store and workers, by part.
function M.parts(s)
  local parts = { master = { s.pid }, store = {}, worker = {} }
  for _, p in ipairs(s:processes()) do
    local part = p.name:find("store", 1, true) and "store" or "worker"
    table.insert(parts[part], p.pid)
  end
  return parts
end

function M.everybody(s)
  local all = { s.pid }
  for _, p in ipairs(s:processes()) do all[#all + 1] = p.pid end
  return all
end

function M.cpu_of_all(s)
  local sum = 0
  for _, pid in ipairs(M.everybody(s)) do sum = sum + M.cpu(pid) end
  return sum
end

---Kernel memory of sockets, in pages: /proc/net/sockstat.
function M.socket_pages()
  for line in io.lines("/proc/net/sockstat") do
    local pages = line:match("^TCP:.*mem (%d+)")
    if pages then return tonumber(pages) end
  end
  return 0
end

local function text_of(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if math.type(value) == "float" then return ("%.3f"):format(value) end
  return tostring(value)
end

---Append one result to build/bench/<file>.jsonl and print it.
function M.record(file, result)
  local keys, parts = {}, {}
  for key in pairs(result) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do parts[#parts + 1] = ("%q:%s"):format(key, text_of(result[key])) end
  lfs.mkdir("build")
  lfs.mkdir(M.out)
  local f = assert(io.open(M.out .. "/" .. file .. ".jsonl", "a"))
  f:write("{", table.concat(parts, ","), "}\n")
  f:close()
end

---A number from the environment.
function M.parameter(name, default)
  return tonumber(os.getenv(name)) or default
end

return M
