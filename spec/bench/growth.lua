-- make bench-growth: does a store of a million messages answer like a small one?
--
-- Two servers in the same run, asked in turns: a small store (64 mailboxes of 100 messages) and a
-- large one (GROWTH_BOXES=10000 mailboxes of 100, and one mailbox of GROWTH_BIG=100000).  Then the
-- start-up with the large store, CHURN=600 seconds of steady coming and going, and RETR with less
-- memory than the store has octets (CGROUP_MIB=128, where cgroups may be written).
local kit = require "spec.bench.kit"
local lfs = require "lfs"
local socket = require "socket"

local BOXES, BIG = kit.parameter("GROWTH_BOXES", 10000), kit.parameter("GROWTH_BIG", 100000)
local CHURN, CGROUP_MIB = kit.parameter("CHURN", 600), kit.parameter("CGROUP_MIB", 128)
local ROUNDS, SIZE, PER_BOX, AT_ONCE = 7, 1000, 100, 16

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function say(...)
  print((...):format(select(2, ...)))
  io.flush()
end

---Bring messages into `boxes` mailboxes named by the format.
local function fill(s, boxes, format, messages)
  for first = 0, boxes - 1, 10000 do
    local part = math.min(10000, boxes - first)
    kit.run { scenario = "smtp-send", port = s.ports.mta, sessions = part, count = part, users = part,
      messages = messages, size = SIZE, user = format }
  end
end

local function disk(s)
  return lfs.attributes(s.dir .. "/store/mail.mdb", "blocks") * 512
end

-- ---- the two stores in turns ----

-- Four mailboxes that were filled among all the others.
local function format_of_four(round, large)
  return ("user%02d%d%%u@example.test"):format(large and round * 19 % (BOXES // 100) or 0, round)
end

-- The mailboxes of round i are user<i>00 to user<i>99, so that the large store is met everywhere.
local function format_of(round, large)
  return large and ("user%02d%%02u@example.test"):format(round * 19 % (BOXES // 100)) or "user00%02u@example.test"
end

local operations = {
  { name = "login", scenario = "pop3-stat", service = "pop3", count = 1600 },
  { name = "list", scenario = "pop3-uidl", service = "pop3", count = 800 },
  { name = "retr", scenario = "pop3-retr", service = "pop3", count = 160, keep = true },
  { name = "deliver", scenario = "smtp-send", service = "mta", count = 16, messages = 100 },
  -- Few at once and others each round: messages that came together lie together, and deleting them is
  -- cheap in any store.
  { name = "retr+delete", scenario = "pop3-retr", service = "pop3", count = 4, sessions = 4 },
}

local function ask(s, op, round, large)
  local at_once, before = op.sessions or AT_ONCE, kit.cpu_of_all(s)
  local r = kit.run { scenario = op.scenario, port = s.ports[op.service], sessions = at_once, count = op.count,
    users = at_once, messages = op.messages, size = SIZE, keep = op.keep,
    user = (op.sessions and format_of_four or format_of)(round, large) }
  if not op.keep then socket.sleep(0.6) end       -- what is freed after the answer counts too
  r.server_cpu_us = (kit.cpu_of_all(s) - before) * 1e6 / r.operations
  return r
end

local function compare(small, large)
  local worst = 0
  for _, op in ipairs(operations) do
    local p50, cpu = { {}, {} }, { {}, {} }
    for round = 1, ROUNDS do
      for i, s in ipairs { small, large } do
        local r = ask(s, op, round, i == 2)
        table.insert(p50[i], r.p50_us)
        table.insert(cpu[i], r.server_cpu_us)
        if op.name == "retr+delete" then          -- what was taken comes again
          kit.run { scenario = "smtp-send", port = s.ports.mta, sessions = op.sessions,
            count = op.count, users = op.sessions, messages = PER_BOX, size = SIZE, user = format_of_four(round, i == 2) }
        end
      end
    end
    local r = { name = "growth " .. op.name, small_p50_us = median(p50[1]), large_p50_us = median(p50[2]),
      small_cpu_us = median(cpu[1]), large_cpu_us = median(cpu[2]) }
    r.ratio_p50 = r.small_p50_us > 0 and r.large_p50_us / r.small_p50_us or 1   -- pipelined RETR has none
    r.ratio_cpu = r.large_cpu_us / r.small_cpu_us
    worst = math.max(worst, r.ratio_cpu)
    kit.record("growth", r)
    say("%-12s p50 %6d us small, %6d us large: x %.2f; server CPU %7.1f and %7.1f us: x %.2f", op.name,
      r.small_p50_us, r.large_p50_us, r.ratio_p50, r.small_cpu_us, r.large_cpu_us, r.ratio_cpu)
  end
  say("worst ratio of CPU: %.2f (goal 1.5)", worst)
end

-- ---- one large mailbox ----

local function big_mailbox(s)
  local base = { port = s.ports.pop3, sessions = 1, count = 20, users = 1, group = s.pid }
  local r = { name = "mailbox of " .. BIG, scenario = "" }
  for _, scenario in ipairs { "pop3-stat", "pop3-uidl" } do
    local options = { scenario = scenario, user = "big@example.test" }
    for key, value in pairs(base) do options[key] = value end
    local one = kit.run(options)
    r[scenario == "pop3-stat" and "login_us" or "uidl_us"] = one.p50_us
  end
  local delivered = kit.run { scenario = "smtp-send", port = s.ports.mta, sessions = AT_ONCE, count = AT_ONCE,
    messages = 50, size = SIZE, users = 1, user = "big@example.test", group = s.pid }
  r.deliver_us, r.deliver_cpu_us = delivered.p50_us, delivered.server_cpu_us
  kit.record("growth", r)
  say("one mailbox of %d: login + STAT %.1f ms, login + UIDL %.1f ms, delivery p50 %d us, %.1f us CPU", BIG,
    r.login_us / 1000, r.uidl_us / 1000, r.deliver_us, r.deliver_cpu_us)
end

local function start_up(s)
  s:finish()
  local began = socket.gettime()
  s:launch()
  local seconds = socket.gettime() - began
  kit.record("growth", { name = "start-up", seconds = seconds, goal = 1 })
  say("start-up with the large store until ready: %.0f ms (goal 1000)", seconds * 1000)
end

-- ---- steady churn ----

local sizes = { { 4096, 8 }, { 30000, 3 }, { 200000, 1 } }

local function churn(seconds)
  local s = kit.start { workers = 2 }
  local began, samples, round = socket.gettime(), {}, 0
  repeat
    round = round + 1
    local user = ("churn%d-%%02u@example.test"):format(round % 4)
    local p50, p99, cpu = 0, 0, 0
    for _, size in ipairs(sizes) do
      local r = kit.run { scenario = "smtp-send", port = s.ports.mta, sessions = 32, count = 64, users = 32,
        messages = size[2], size = size[1], user = user, group = s.pid }
      if size[1] == 4096 then p50, p99, cpu = r.p50_us, r.p99_us, r.server_cpu_us end
    end
    if round > 3 then                              -- three rounds stay, the oldest goes
      kit.run { scenario = "pop3-retr", port = s.ports.pop3, sessions = 32, count = 32, users = 32,
        user = ("churn%d-%%02u@example.test"):format((round + 1) % 4) }
    end
    samples[#samples + 1] = { at = socket.gettime() - began, p50 = p50, p99 = p99, cpu = cpu, octets = disk(s) }
  until socket.gettime() - began > seconds
  s:stop()
  local function part(from, to, key)
    local list = {}
    for i = math.max(1, #samples * from // 4 + 1), #samples * to // 4 do list[#list + 1] = samples[i][key] end
    return median(list)
  end
  local r = { name = "churn", seconds = seconds, rounds = round,
    mib_second_quarter = part(1, 2, "octets") / 2 ^ 20, mib_last_quarter = part(3, 4, "octets") / 2 ^ 20,
    p50_us_second_quarter = part(1, 2, "p50"), p50_us_last_quarter = part(3, 4, "p50"),
    cpu_us_second_quarter = part(1, 2, "cpu"), cpu_us_last_quarter = part(3, 4, "cpu") }
  kit.record("growth", r)
  say("churn of %d s, %d rounds: file %.1f MiB in the second quarter, %.1f in the last; 4 KiB p50 %d and %d us, " ..
    "CPU %.0f and %.0f us", seconds, round, r.mib_second_quarter, r.mib_last_quarter, r.p50_us_second_quarter,
    r.p50_us_last_quarter, r.cpu_us_second_quarter, r.cpu_us_last_quarter)
end

-- ---- less memory than the store has octets ----

local function write(path, text)
  local file = io.open(path, "w")
  if not file then return false end
  local ok = file:write(tostring(text))
  return file:close() and ok ~= nil
end

---A memory cgroup with a limit, version 1 or 2; nil where they may not be written.
local function memory_group(octets)
  for root, limit in pairs { ["/sys/fs/cgroup/memory"] = "memory.limit_in_bytes", ["/sys/fs/cgroup"] = "memory.max" } do
    local path = root .. "/moonpost-bench"
    if lfs.mkdir(path) or lfs.attributes(path) then
      if write(path .. "/" .. limit, octets) then return path end
      lfs.rmdir(path)
    end
  end
end

---Octets that the processes read from the disk so far.
local function read_octets(pids)
  local sum = 0
  for _, pid in ipairs(pids) do
    for line in io.lines("/proc/" .. pid .. "/io") do sum = sum + (line:match("^read_bytes: (%d+)") or 0) end
  end
  return sum
end

local function retrieve_everywhere(s, round)
  return kit.run { scenario = "pop3-retr", port = s.ports.pop3, sessions = AT_ONCE, count = 48, keep = true,
    users = 48, user = ("user%02d%%02u@example.test"):format(round * 7 % (BOXES // 100)), group = s.pid }
end

local function little_memory(s)
  local group = memory_group(CGROUP_MIB * 2 ^ 20 // 1)
  if not group then
    say("no cgroup may be made here: the store larger than its memory was not measured")
    return
  end
  local warm = {}
  for round = 1, 5 do warm[round] = retrieve_everywhere(s, round).per_second end
  s:finish()
  os.execute("sync; cat '" .. s.dir .. "/store/mail.mdb' | dd iflag=nocache of=/dev/null bs=1M status=none")
  os.execute("dd if='" .. s.dir .. "/store/mail.mdb' iflag=nocache count=0 status=none")   -- out of the page cache
  s:launch()
  for _, pid in ipairs(kit.everybody(s)) do write(group .. "/cgroup.procs", pid) end
  local rates, began, before = {}, socket.gettime(), read_octets(kit.everybody(s))
  for round = 1, 12 do rates[round] = retrieve_everywhere(s, round + 5).per_second end
  local seconds = socket.gettime() - began
  local mib = (read_octets(kit.everybody(s)) - before) / 2 ^ 20
  local r = { name = "little memory", limit_mib = CGROUP_MIB, store_mib = disk(s) / 2 ^ 20, warm_per_second = median(warm),
    per_second = median(rates), read_mib = mib, read_mib_per_second = mib / seconds,
    payload_mib = 12 * 48 * PER_BOX * SIZE / 2 ^ 20 }
  kit.record("growth", r)
  say("store of %.0f MiB in %d MiB of memory: %.0f RETR/s (%.0f warm, all in memory), %.0f MiB read from disk for " ..
    "%.0f MiB of mail, %.0f MiB/s", r.store_mib, CGROUP_MIB, r.per_second, r.warm_per_second, mib, r.payload_mib,
    r.read_mib_per_second)
  s:finish()
  lfs.rmdir(group)
end

local function grow()
  local small, large = kit.start { workers = 2 }, kit.start { workers = 2 }
  local began = socket.gettime()
  fill(small, 100, "user00%02u@example.test", PER_BOX)
  fill(large, BOXES, "user%04u@example.test", PER_BOX)
  fill(large, 100, "big@example.test", BIG // 100)
  say("%d messages brought in %.0f s; the large store has %.0f MiB", BOXES * PER_BOX + BIG, socket.gettime() - began,
    disk(large) / 2 ^ 20)
  compare(small, large)
  small:stop()
  big_mailbox(large)
  start_up(large)
  little_memory(large)
  large:stop()
end

if BOXES > 0 then grow() end
if CHURN > 0 then churn(CHURN) end
