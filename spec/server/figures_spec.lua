-- Numbers of plugins' hooks over all workers.
local server = require "spec.support.server"
local process = require("spec.support.bind")("process")
local dkjson = require "dkjson"
local socket = require "socket"

describe("the numbers of plugins' hooks", function()
  local s

  setup(function()
    s = server.start { config = { workers = 2 }, plugins = { watch = [[
      local plugin = ...
      local mail = require "moonpost"
      plugin:hook("accept_sender", function() return end)
      plugin:hook("accept_helo", function(_, name)
        if name == "wrong.example" then error("wrong") end
      end)
    ]] } }
  end)
  teardown(function() s:stop() end)

  local function hooks()
    local _, output = s:command { "status", "--plugins", "--json" }
    local found = {}
    for _, row in ipairs(dkjson.decode(output).hooks) do found[row.plugin .. " " .. row.hook] = row end
    return found
  end

  ---Workers tell their numbers with their heartbeats.
  local function wait(what)
    local deadline = socket.gettime() + 10
    repeat
      if what(hooks()) then return true end
      socket.sleep(0.05)
    until socket.gettime() > deadline
  end

  local function helo(name)
    local c = s:connect("mta")
    c:reply()
    c:ask("HELO " .. name)
    c:close()
  end

  it("are summed over the workers", function()
    for _ = 1, 20 do helo("fine.example") end
    for _ = 1, 3 do helo("wrong.example") end
    assert.is_true(wait(function(h) return h["watch accept_helo"].calls == 23 end))
    local row = hooks()["watch accept_helo"]
    assert.same({ 3, 0, 0, 0 }, { math.tointeger(row.errors), math.tointeger(row.timeouts), math.tointeger(row.live),
      math.tointeger(row.dropped) })
    assert.is_true(row.cpu_ns > 0 and row.latency_p50_ns > 0 and row.latency_p99_ns >= row.latency_p50_ns)
    assert.equal(0, math.tointeger(hooks()["watch accept_sender"].calls))
  end)

  it("are kept when a worker dies", function()
    local old = s:pids("worker")
    for _, pid in ipairs(old) do process.kill(pid, "KILL") end
    assert.is_true(wait(function()
      local now = s:pids("worker")
      return #now == 2 and now[1] ~= old[1] and now[1] ~= old[2] and now[2] ~= old[1] and now[2] ~= old[2]
    end))
    assert.equal(23, math.tointeger(hooks()["watch accept_helo"].calls))
    helo("fine.example")
    assert.is_true(wait(function(h) return h["watch accept_helo"].calls == 24 end))
  end)

  it("are shown to people too", function()
    local _, output = s:command { "status", "--plugins" }
    assert.matches("plugin +hook +calls +errors", output)
    assert.matches("watch +accept_helo +24 +3 +0 +0 +0 +0 +%d[%d.]* [num]s +%d[%d.]* [num]s", output)
    _, output = s:command { "status" }
    assert.is_nil(output:find("accept_helo", 1, true))
  end)
end)
