-- make bench-hook: CPU time that a Lua hook which answers at once adds to a session, beyond that of
-- its own function: coroutine, guard, arguments, reading the answer.  Dialogues in process
-- (spec/bench/hook.c) with and without the hook in turns, medians of ROUNDS; goal: under 1 us.
local kit = require "spec.bench.kit"
local lfs = require "lfs"

local ROUNDS, RCPTS = kit.parameter("ROUNDS", 9), kit.parameter("RCPTS", 20000)
local GOAL_NS = 1000

local hooks = {
  { name = "nil", body = [[if recipient.domain ~= "example.test" then return mail.reject() end]] },
  { name = "accept", body = [[return mail.accept()]] },
  { name = "mailbox", body = [[return mail.accept { mailbox = recipient.address }]] },
}

local function write(path, text)
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
end

-- A long slice: nobody turns a loop, so a hook that gives way would not come back.
local function configuration(folder, plugin)
  local path = ("%s/%s.conf.lua"):format(folder, plugin or "without")
  write(path, ([[
return { hostname = "mail.example.test", domains = { "example.test" }, runtime = %q, store = { path = %q },
  lua = { slice = 10, cpu = 10 },
  listeners = { { service = "mta", address = "127.0.0.1:2525" } }, plugin_path = { %q }, plugins = { %s } }
]]):format(folder, folder .. "/store", folder, plugin and ("%q"):format(plugin) or ""))
  return path
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function measure(folder, hook)
  write(("%s/%s.lua"):format(folder, hook.name), ([[
local plugin = ...
local mail = require "moonpost"
plugin:hook("accept_recipient", function(_, recipient) %s end)
]]):format(hook.body))
  local pipe = assert(io.popen(("build/release/hook %s %s %d %d"):format(configuration(folder),
    configuration(folder, hook.name), ROUNDS, RCPTS)))
  local without, with, alone, added = {}, {}, {}, {}
  for line in pipe:lines() do
    local a, b, c = line:match("^(%S+) (%S+) (%S+)$")
    table.insert(without, tonumber(a))
    table.insert(with, tonumber(b))
    table.insert(alone, tonumber(c))
    table.insert(added, b - a - c)
  end
  assert(pipe:close() and #added == ROUNDS, "the measurement failed")
  return { hook = hook.name, rounds = ROUNDS, rcpts = RCPTS, without_ns = median(without), with_ns = median(with),
    function_ns = median(alone), added_ns = median(added), ratio = median(added) / GOAL_NS }
end

local folder = os.tmpname()
os.remove(folder)
assert(lfs.mkdir(folder))
for _, hook in ipairs(hooks) do
  local r = measure(folder, hook)
  kit.record("hook", r)
  print(("%-8s RCPT %5.0f ns without, %5.0f with, the function alone %5.0f: the hook adds %5.0f ns, goal x %.2f")
    :format(r.hook, r.without_ns, r.with_ns, r.function_ns, r.added_ns, r.ratio))
end
assert(os.execute(("rm -r '%s'"):format(folder)))
