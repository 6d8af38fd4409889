-- make bench-latency: p99 of a small message alone, while 25 MB messages arrive four per second,
-- and while a plugin computes for 10 ms in each hook of other clients; in turns, same server.
local kit = require "spec.bench.kit"
local socket = require "socket"

local SECONDS, ROUNDS = kit.parameter("SECONDS", 5), kit.parameter("ROUNDS", 3)
local LARGE, PER_SECOND = 25 * 1000 * 1000, 4

-- ---- the sender of large messages, a process of its own ----

local function send_large(port, seconds)
  local line = ("large message "):rep(5) .. "\r\n"
  local body = "Subject: large\r\n\r\n" .. line:rep(LARGE // #line) .. ".\r\n"
  local started, sent, worst = socket.gettime(), 0, 0
  while socket.gettime() - started < seconds do
    local at = socket.gettime()
    local c = assert(socket.connect("127.0.0.1", port))
    local function ask(text, code)
      if text then assert(c:send(text)) end
      local reply
      repeat reply = assert(c:receive("*l")) until reply:sub(4, 4) ~= "-"
      assert(reply:sub(1, 3) == code, reply)
    end
    ask(nil, "220")
    ask("EHLO large.example\r\n", "250")
    ask("MAIL FROM:<large@client.example>\r\n", "250")
    ask("RCPT TO:<large@example.test>\r\n", "250")
    ask("DATA\r\n", "354")
    ask(body, "250")
    ask("QUIT\r\n", "221")
    c:close()
    sent, worst = sent + 1, math.max(worst, socket.gettime() - at)
    socket.sleep(math.max(0, started + sent / PER_SECOND - socket.gettime()))
  end
  print(sent, worst)
end

if arg[1] == "large" then
  send_large(tonumber(arg[2]), tonumber(arg[3]))
  os.exit(0)
end

-- ---- three loads in turns ----

local burning = [[
local plugin = ...
local mail = require "moonpost"
plugin:hook("accept_recipient", function(_, recipient)
  if recipient.address:find("^slow") then
    local till = os.clock() + 0.010
    while os.clock() < till do end
  end
  return mail.accept { mailbox = recipient.address }
end)
]]

-- Eight clients that send 4 KiB messages one by one: enough to see, not enough to fill the machine.
local function small(s)
  return kit.run { scenario = "smtp-send", port = s.ports.mta, sessions = 8, users = 8, messages = 20,
    seconds = SECONDS, size = 4096, user = "user%u@example.test" }
end

local beside = {
  { name = "alone", start = function() end, stop = function() end },
  { name = "25 MB, 4 per second", start = function(s)
      local out = os.tmpname()
      return { out = out, pid = kit.process.spawn({ "lua5.4", "spec/bench/latency.lua", "large",
        tostring(s.ports.mta), tostring(SECONDS) }, nil, out) }
    end, stop = function(job)
      while not kit.process.reap(job.pid) do socket.sleep(0.02) end
      local file = assert(io.open(job.out))
      local text = file:read("a")
      file:close()
      os.remove(job.out)
      local sent, worst = text:match("^(%d+)%s+([%d.]+)")
      assert(sent, text)
      return ("%d sent, the slowest took %.0f ms"):format(sent, worst * 1000)
    end },
  { name = "a plugin that computes", start = function(s)
      return kit.begin { scenario = "smtp-send", port = s.ports.mta, sessions = 2, users = 2, messages = 20,
        seconds = SECONDS, size = 4096, user = "slow%u@example.test" }
    end, stop = function(job)
      local r = kit.finish(job)
      return ("%.0f such hooks per second"):format(r.per_second)
    end },
}

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

for _, workers in ipairs { 1, 2 } do
  local s = kit.start({ workers = workers }, { computes = burning })
  local p50, p99, rate, notes = {}, {}, {}, {}
  small(s)
  for _ = 1, ROUNDS do
    for i, load in ipairs(beside) do
      p50[i], p99[i], rate[i] = p50[i] or {}, p99[i] or {}, rate[i] or {}
      local job = load.start(s)
      local r = small(s)
      if os.getenv("VERBOSE") then print(load.name, r.per_second, r.p99_us) end
      notes[i] = load.stop(job) or ""
      table.insert(p50[i], r.p50_us)
      table.insert(p99[i], r.p99_us)
      table.insert(rate[i], r.per_second)
    end
  end
  s:stop()
  for i, load in ipairs(beside) do
    local r = { name = load.name, workers = workers, p50_us = median(p50[i]), p99_us = median(p99[i]),
      per_second = median(rate[i]), note = notes[i] }
    r.ratio_p99 = r.p99_us / median(p99[1])
    kit.record("latency", r)
    print(("%d workers, %-24s p50 %6.2f ms, p99 %6.2f ms (x %.1f), %6.0f msg/s  %s"):format(workers, load.name,
      r.p50_us / 1000, r.p99_us / 1000, r.ratio_p99, r.per_second, r.note))
  end
end
