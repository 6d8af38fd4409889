-- make bench-scaling: 1, 2 and 4 workers; rates, and the CPU of the store and of the workers apart,
-- from which the rate of a larger machine is computed part by part.
local kit = require "spec.bench.kit"
local socket = require "socket"

local SECONDS, ROUNDS, CORES = kit.parameter("SECONDS", 4), kit.parameter("ROUNDS", 3), kit.parameter("CORES", 16)

local loads = {
  { name = "smtp A32", scenario = "smtp-send", service = "mta", sessions = 32, messages = 1 },
  { name = "smtp B", scenario = "smtp-send", service = "mta", sessions = 32, messages = 100 },
  { name = "pop3 A32", scenario = "pop3-stat", service = "pop3", sessions = 32, messages = 1 },
  { name = "pop3 B", scenario = "pop3-retr", service = "pop3", sessions = 32, messages = 1, keep = true },
}

local function sum_cpu(pids)
  local sum = 0
  for _, pid in ipairs(pids) do sum = sum + kit.cpu(pid) end
  return sum
end

---The writer is the busiest thread of the store: what no second core can share.
local function busiest_thread(pid, before)
  local now, most = kit.threads(pid), 0
  for tid, seconds in pairs(now) do most = math.max(most, seconds - (before and before[tid] or 0)) end
  return most, now
end

local function measure(s, load)
  local parts = kit.parts(s)
  local store, worker, _, threads = sum_cpu(parts.store), sum_cpu(parts.worker), busiest_thread(parts.store[1])
  local began = socket.gettime()
  local r = kit.run { name = load.name, scenario = load.scenario, port = s.ports[load.service], keep = load.keep,
    sessions = load.sessions, users = load.sessions, messages = load.messages, seconds = SECONDS, size = 4096,
    user = "user%u@example.test" }
  r.wall = socket.gettime() - began
  r.store_us = (sum_cpu(parts.store) - store) * 1e6 / r.operations
  r.worker_us = (sum_cpu(parts.worker) - worker) * 1e6 / r.operations
  r.writer_us = busiest_thread(parts.store[1], threads) * 1e6 / r.operations
  return r
end

local results = {}
for _ = 1, ROUNDS do
  for _, workers in ipairs { 1, 2, 4 } do
    local s = kit.start { workers = workers }
    kit.run { scenario = "smtp-send", port = s.ports.mta, sessions = 32, count = 32, users = 32, messages = 100,
      size = 4096, user = "user%u@example.test" }
    -- Reading first: what smtp brings would make the maildrops longer.
    for _, i in ipairs { 4, 3, 2, 1 } do
      local key = loads[i].name .. " " .. workers
      results[key] = results[key] or {}
      table.insert(results[key], measure(s, loads[i]))
    end
    s:stop()
  end
end

local function median(list, key)
  local values = {}
  for i, r in ipairs(list) do values[i] = r[key] end
  table.sort(values)
  return values[(#values + 1) // 2]
end

for _, load in ipairs(loads) do
  for _, workers in ipairs { 1, 2, 4 } do
    local list = results[load.name .. " " .. workers]
    local r = { name = load.name, workers = workers }
    for _, key in ipairs { "per_second", "p50_us", "p99_us", "store_us", "worker_us", "writer_us", "client_cpu_us" } do
      r[key] = median(list, key)
    end
    -- One thread writes, one loop speaks to the workers; the other cores are workers'.  At most 90 %
    -- of a core is counted on.
    local one_thread = math.max(r.writer_us, r.store_us - r.writer_us)
    r.store_limit = one_thread > 0.05 and 0.9e6 / one_thread or math.huge
    r.worker_limit = (CORES - 2) * 0.9e6 / r.worker_us
    r.on_cores = math.min(r.store_limit, r.worker_limit)
    if r.store_limit == math.huge then r.store_limit = -1 end
    kit.record("scaling", r)
    print(("%-9s %d workers: %7.0f/s, p50 %5d us; CPU each: workers %5.1f us, store %5.1f us (its busiest thread " ..
      "%5.1f), generator %4.1f us; %d cores: %7.0f/s, limited by the %s"):format(load.name, workers, r.per_second,
      r.p50_us, r.worker_us, r.store_us, r.writer_us, r.client_cpu_us, CORES, r.on_cores,
      r.on_cores == r.worker_limit and "workers" or "store"))
  end
end
