-- make bench-flush: SMTP with the disk as it is, and with one whose flush takes 2 ms longer
-- (spec/bench/slowflush.c), in turns; how large the batches become and how long a commit takes, as
-- `moonpost status` tells it.
local kit = require "spec.bench.kit"

local SECONDS, ROUNDS = kit.parameter("SECONDS", 4), kit.parameter("ROUNDS", 3)

local loads = {
  { name = "A32", sessions = 32, messages = 1 },
  { name = "B", sessions = 32, messages = 100 },
  { name = "A256", sessions = 256, messages = 1 },
}
local disks = { { name = "real" }, { name = "+2 ms", preload = "build/release/slowflush.so" } }

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

---A server of its own for each measurement, so that the numbers of status are of this load alone.
local function measure(load, disk)
  kit.process.setenv("LD_PRELOAD", disk.preload)
  local s = kit.start { workers = 2 }
  kit.process.setenv("LD_PRELOAD", nil)
  local r = kit.run { name = load.name, scenario = "smtp-send", port = s.ports.mta, sessions = load.sessions,
    users = load.sessions, messages = load.messages, seconds = SECONDS, size = 4096, user = "user%u@example.test" }
  local _, text = s:command { "status", "--json" }
  for _, key in ipairs { "batch_p50", "batch_max", "commit_us_p50", "commit_us_p99", "flush_us_p50" } do
    r[key] = tonumber(text:match('"' .. key .. '":%s*(%d+)'))
  end
  s:stop()
  return r
end

for _, load in ipairs(loads) do
  local rates, kept = { {}, {} }, { {}, {} }
  for _ = 1, ROUNDS do
    for i, disk in ipairs(disks) do
      local r = measure(load, disk)
      table.insert(rates[i], r.per_second)
      kept[i] = r
    end
  end
  for i, disk in ipairs(disks) do
    local r = kept[i]
    r.disk, r.per_second = disk.name, median(rates[i])
    r.ratio = r.per_second / median(rates[1])
    kit.record("flush", r)
    print(("%-5s %-6s %7.0f msg/s (x %.2f), p50 %5.1f ms, p99 %5.1f ms; batch p50 %d, largest %d; commit p50 %.1f ms, " ..
      "p99 %.1f ms, flush p50 %.1f ms"):format(load.name, disk.name, r.per_second, r.ratio, r.p50_us / 1000,
      r.p99_us / 1000, r.batch_p50, r.batch_max, r.commit_us_p50 / 1000, r.commit_us_p99 / 1000,
      r.flush_us_p50 / 1000))
  end
end
