-- make bench-idle: memory of one session that is held and does nothing, beyond the empty server.
-- IDLE=10000 sessions of each kind; IDLE_MANY=50000 for the last line (0: not).
local kit = require "spec.bench.kit"
local socket = require "socket"

local SESSIONS, MANY = kit.parameter("IDLE", 10000), kit.parameter("IDLE_MANY", 50000)
local GENERATOR_MAX = 17000                -- descriptors of one generator

local kinds = {
  { name = "smtp", scenario = "smtp-idle", service = "mta", goal = 2 },
  { name = "pop3", scenario = "pop3-idle", service = "pop3", goal = 2 },
  { name = "smtp starttls", scenario = "smtp-idle", service = "submission", tls = "starttls", goal = 12 },
  { name = "pop3s", scenario = "pop3-idle", service = "pop3s", tls = "implicit", goal = 12 },
}

---Wait until the server is at rest: all sessions are there, and their memory is given back.
local function settle(pids)
  local before, quiet = -1, 0
  repeat
    socket.sleep(0.5)
    local now = 0
    for _, pid in ipairs(pids) do now = now + kit.cpu(pid) end
    quiet = now - before < 0.02 and quiet + 1 or 0
    before = now
  until quiet == 5
end

---Hold that many sessions and say what they cost, in octets.
local function hold(kind, count, workers)
  local s = kit.start { workers = workers }
  local pids = kit.everybody(s)
  local warm = kit.run { scenario = kind.scenario, port = s.ports[kind.service], tls = kind.tls,
    sessions = 20, hold = 0.1, user = "user%u@example.test", users = 20 }
  assert(warm.operations == 20)
  local before, before_anonymous = kit.memory(pids)
  local before_pages, jobs, began = kit.socket_pages(), {}, socket.gettime()
  for first = 0, count - 1, GENERATOR_MAX do
    local part = math.min(GENERATOR_MAX, count - first)
    jobs[#jobs + 1] = kit.begin { scenario = kind.scenario, port = s.ports[kind.service], tls = kind.tls,
      sessions = part, hold = 6, users = part,
      user = ("user%d.%%u@example.test"):format(first) }
  end
  settle(pids)
  local after, after_anonymous = kit.memory(pids)
  local pages = kit.socket_pages() - before_pages
  local seconds = socket.gettime() - began
  for _, job in ipairs(jobs) do kit.finish(job) end
  s:stop()
  local r = { name = kind.name, sessions = count, workers = workers, seconds = seconds,
    octets = (after - before) * 1024 / count, anonymous = (after_anonymous - before_anonymous) * 1024 / count,
    empty_kib = before, goal_octets = kind.goal * 1024, socket_pages = pages }
  kit.record("idle", r)
  print(("%-14s %6d held: %6.0f octets a session (%.0f anonymous), goal %d; empty server %d KiB"):format(
    kind.name, count, r.octets, r.anonymous, r.goal_octets, before))
  return r
end

local only = os.getenv("IDLE_ONLY")
for _, kind in ipairs(kinds) do
  if not only or kind.name:find(only, 1, true) then hold(kind, SESSIONS, 2) end
end
if MANY > 0 then hold(kinds[1], MANY, 4) end
