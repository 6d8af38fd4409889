-- make bench-dict: what a question to the store process adds to a RCPT: mail.dict in memory and durable,
-- mail.limit, mail.cache. Clients send groups of 50 RCPTs, whose recipient says what the hook does; CPU of
-- workers and store for each, the rate, and the time of a RCPT that comes alone. In turns, same server;
-- "plain" is a hook that asks nothing.
local kit = require "spec.bench.kit"
local socket = require "socket"

local SECONDS, ROUNDS = kit.parameter("SECONDS", 2), kit.parameter("ROUNDS", 3)
local SESSIONS, GROUP, WORKERS = kit.parameter("SESSIONS", 32), 50, kit.parameter("WORKERS", 2)
local kinds = { "plain", "cache", "get", "set", "take", "durable-get", "durable-incr" }

local PLUGIN = [[
local plugin = ...
local mail = require "moonpost"
local memory, disk = mail.dict("memory"), mail.dict("disk", { durable = true })
local bucket, cache = mail.limit { name = "bucket", rate = 1e6, burst = 1e6 }, mail.cache {}
local n = 0
local function key() n = n % 1000 + 1 return "key" .. n end
local kinds = {
  plain = function() return true end,
  cache = function() return cache:get(key(), function() return 1 end) end,
  get = function() local _, why = memory:get(key()) return not why end,
  set = function() return memory:set(key(), n) end,
  take = function() return bucket:take(key()) end,
  ["durable-get"] = function() local _, why = disk:get(key()) return not why end,
  ["durable-incr"] = function() return disk:incr(key()) end,
}
plugin:hook("accept_recipient", function(_, recipient)
  if kinds[recipient.localpart]() then return mail.accept { mailbox = "bob@example.test" } end
  return mail.tempfail()
end)
]]

---A client that sends groups of `size` recipients as fast as they are answered.
local function client(s, kind, size)
  local c = assert(socket.connect("127.0.0.1", s.ports.mta))
  c:setoption("tcp-nodelay", true)
  local envelope = "RSET\r\nMAIL FROM:<a@client.example>\r\n"
  local self = { socket = c, rest = "", lines = 0, sent = 0, waits = {} }
  local function expect(code)
    local line
    repeat line = assert(c:receive "*l") until line:sub(4, 4) == " "
    assert(line:sub(1, 3) == code, line)
  end
  expect "220"
  assert(c:send "EHLO client.example\r\n")
  expect "250"
  assert(c:send(envelope))
  expect "250"
  expect "250"
  c:settimeout(0)
  local recipients = ("RCPT TO:<%s@example.test>\r\n"):format(kind):rep(size)
  function self.send()
    self.at, self.expected = socket.gettime(), size
    local again = self.sent >= 100
    if again then self.sent, self.expected = 0, size + 2 end
    self.sent, self.lines = self.sent + size, 0
    assert(c:send((again and envelope or "") .. recipients))
  end
  ---Whatever has come; true when the group is answered.
  function self.receive()
    local text, why, part = c:receive(65536)
    assert(why ~= "closed", "the server closed a connection")
    text = text or part
    assert(not text:find "^[45]" and not text:find "\n[45]", text)
    self.lines = self.lines + select(2, text:gsub("\n", ""))
    if self.lines < self.expected then return false end
    table.insert(self.waits, socket.gettime() - self.at)
    return true
  end
  return self
end

local function load(s, kind, sessions, size)
  local sockets, by_socket, done = {}, {}, 0
  for i = 1, sessions do
    local c = client(s, kind, size)
    sockets[i], by_socket[c.socket] = c.socket, c
  end
  local parts = kit.parts(s)
  local function cpu(part)
    local sum = 0
    for _, pid in ipairs(parts[part]) do sum = sum + kit.cpu(pid) end
    return sum
  end
  local store, worker, began = cpu "store", cpu "worker", socket.gettime()
  for _, c in pairs(by_socket) do c.send() end
  while socket.gettime() - began < SECONDS do
    for _, ready in ipairs(socket.select(sockets, nil, 1)) do
      local c = by_socket[ready]
      if c.receive() then
        done = done + size
        c.send()
      end
    end
  end
  local took = socket.gettime() - began
  store, worker = cpu "store" - store, cpu "worker" - worker
  local waits = {}
  for _, c in pairs(by_socket) do
    for _, w in ipairs(c.waits) do waits[#waits + 1] = w end
    c.socket:close()
  end
  table.sort(waits)
  return { rate = done / took, store_us = store * 1e6 / done, worker_us = worker * 1e6 / done,
    p50_us = waits[(#waits + 1) // 2] * 1e6, p99_us = waits[math.ceil(#waits * 0.99)] * 1e6 }
end

local s = kit.start({ workers = WORKERS, smtp = { max_idle_commands = 100000, max_recipients = 1000 } },
  { ask = PLUGIN })
local results = {}
for _ = 1, ROUNDS do
  for _, kind in ipairs(kinds) do
    results[kind] = results[kind] or { many = {}, alone = {} }
    table.insert(results[kind].many, load(s, kind, SESSIONS, GROUP))
    table.insert(results[kind].alone, load(s, kind, 1, 1))
  end
end
s:stop()

local function median(list, key)
  local values = {}
  for i, r in ipairs(list) do values[i] = r[key] end
  table.sort(values)
  return values[(#values + 1) // 2]
end

local function cpu_of(r) return median(r.many, "store_us") + median(r.many, "worker_us") end
for _, kind in ipairs(kinds) do
  local r = results[kind]
  local row = { kind = kind, rate = median(r.many, "rate"), worker_us = median(r.many, "worker_us"),
    store_us = median(r.many, "store_us"), alone_p50_us = median(r.alone, "p50_us"),
    alone_p99_us = median(r.alone, "p99_us"), cpu_ratio = cpu_of(r) / cpu_of(results.plain) }
  kit.record("dict", row)
  print(("%-12s %8.0f RCPT/s, worker %5.2f us, store %5.2f us: x %.2f; alone p50 %4.0f us, p99 %5.0f us"):format(kind,
    row.rate, row.worker_us, row.store_us, row.cpu_ratio, row.alone_p50_us, row.alone_p99_us))
end
