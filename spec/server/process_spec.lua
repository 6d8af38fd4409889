-- Children of the master that die, hang or are ended by somebody else.
local server = require "spec.support.server"
local process = require("spec.support.bind")("process")
local tree = require "spec.support.tree"
local socket = require "socket"

local function wait(what, seconds)
  local deadline = socket.gettime() + (seconds or 5)
  repeat
    local got = what()
    if got then return got end
    socket.sleep(0.01)
  until socket.gettime() > deadline
end

---Wait until the child of that name is another process than before, and serves.
local function replaced(s, word, old, seconds)
  return wait(function()
    for _, pid in ipairs(s:pids(word)) do
      if pid ~= old then return pid end
    end
  end, seconds)
end

describe("a child of the master", function()
  local s

  setup(function() s = server.start { config = { workers = 1, heartbeat = 1 } } end)
  teardown(function() s:stop() end)

  it("shows its name to ps", function()
    assert.equal(1, #s:pids("moonpost: store"))
    assert.equal(1, #s:pids("moonpost: worker.1"))
    assert.equal("moonpost-master\n", tree.read(("/proc/%d/comm"):format(s.pid)))
  end)

  for _, word in ipairs { "store", "worker" } do
    it("is replaced within a second after kill -9, and logged: " .. word, function()
      local old, from = s:pids(word)[1], #s:log() + 1
      process.kill(old, "KILL")
      assert.is_truthy(replaced(s, word, old, 1))
      assert.is_truthy(s:wait_log("process died and is replaced name=" .. word .. "[^\n]*signal 9", 2, from))
      local accepted
      wait(function()
        accepted = s:deliver("a@b.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n")
        return accepted
      end)
      assert.is_true(accepted)
    end)
  end

  it("is replaced when somebody ends it politely", function()
    for _, word in ipairs { "store", "worker" } do
      local old = s:pids(word)[1]
      process.kill(old, "TERM")
      assert.is_truthy(replaced(s, word, old), word)
      assert.is_true(wait(function() return server.parent_of(old) == nil end), word)
    end
  end)

  it("lives when it has nothing to do, however short the heartbeat is", function()
    local before = s:processes()
    socket.sleep(1.6)
    assert.same(before, s:processes())
  end)

  it("is killed and replaced when it does not answer", function()
    assert.is_true(wait(function()                       -- it serves: a start may take longer
      return s:deliver("a@b.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n") or nil
    end))
    local old, from = s:pids("worker")[1], #s:log() + 1
    process.kill(old, "STOP")
    assert.is_truthy(s:wait_log("a process does not answer and is killed name=worker", 5, from))
    assert.is_truthy(replaced(s, "worker", old, 5))
    assert.is_true(wait(function()
      return s:deliver("a@b.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n") or nil
    end))
  end)

  it("is killed and replaced when it is the store and does not answer", function()
    local old, from = s:pids("store")[1], #s:log() + 1
    process.kill(old, "STOP")
    assert.is_truthy(s:wait_log("a process does not answer and is killed name=store", 10, from))
    assert.is_truthy(replaced(s, "store", old, 5))
    assert.is_true(wait(function()
      return s:deliver("a@b.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n") or nil
    end))
  end)
end)

describe("a child that dies again and again", function()
  it("is replaced with pauses that grow", function()
    local s = server.start { config = { workers = 1 } }
    local seen, deaths = {}, 0
    local deadline = socket.gettime() + 1
    while socket.gettime() < deadline do
      local pid = s:pids("worker")[1]
      if pid and not seen[pid] then
        seen[pid], deaths = true, deaths + 1
        process.kill(pid, "KILL")
      end
      socket.sleep(0.002)
    end
    assert.is_true(deaths >= 3 and deaths <= 8, deaths .. " deaths in a second")
    s:stop()
  end)
end)

describe("the children of a dead master", function()
  it("end by themselves, and the next master starts at once", function()
    local s = server.start { config = { stop_grace = 2 } }
    local children = s:processes()
    process.kill(s.pid, "KILL")
    while not process.reap(s.pid) do socket.sleep(0.005) end
    s.pid = nil
    s:launch()
    for _, child in ipairs(children) do
      assert.is_true(wait(function() return server.parent_of(child.pid) == nil end), child.name)
    end
    assert.is_true((s:deliver("a@b.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n")))
    s:stop()
  end)
end)

describe("plugins in several workers", function()
  local s

  setup(function()
    s = server.start { config = { workers = 2 }, plugins = { beats = [[
      local plugin = ...
      local mail = require "moonpost"
      local name = mail.random(8)
      plugin:hook("on_start", function() mail.sleep(0.05) mail.log.info("plugin began", { name = name }) end)
      plugin:hook("on_stop", function() mail.sleep(0.05) mail.log.info("plugin ended", { name = name }) end)
      plugin:every(0.05, function() mail.log.info("beat of one", { name = name }) end)
      plugin:every(0.05, function() mail.log.info("beat of all", { name = name }) end, { on = "all workers" })
    ]] } }
  end)
  teardown(function() s:stop() end)

  ---Who wrote such a line: the plugin's name in its worker -> the worker's process.
  local function writers(what, from)
    local found, count = {}, 0
    for line in s:log():sub(from or 1):gmatch("[^\n]*" .. what .. "[^\n]*") do
      local name = line:match("name=(%w+)")
      if not found[name] then count = count + 1 end
      found[name] = line:match("worker%.%d+")
    end
    return count, found
  end

  it("begin before the server is ready", function()
    assert.equal(2, (writers("plugin began")))
  end)

  it("have timers in one worker, or in each", function()
    assert.is_true(wait(function() return writers("beat of all") == 2 end))
    assert.is_true(wait(function() return writers("beat of one") == 1 end))
    socket.sleep(0.5)
    assert.equal(1, (writers("beat of one")))
  end)

  it("take over from a worker that dies", function()
    local name, worker = next((select(2, writers("beat of one"))))
    local from = #s:log() + 1
    process.kill(s:pids("moonpost: " .. worker)[1], "KILL")
    assert.is_true(wait(function()
      local count, who = writers("beat of one", from)
      who[name] = nil
      return count > 0 and next(who) ~= nil
    end))
  end)

  it("end before their worker does", function()
    local from = #s:log() + 1
    s:finish()
    assert.equal(2, (writers("plugin ended", from)))
  end)
end)
