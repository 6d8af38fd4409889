-- kill -9 of each process while mail comes in: whatever got its 250 is there afterwards, whole.
local server = require "spec.support.server"
local process = require("spec.support.bind")("process")
local tree = require "spec.support.tree"
local socket = require "socket"

local USERS = { "alice@example.test", "bob@example.test" }
local SENDERS = 6

describe("after kill -9 under load", function()
  local s, load, stop_file, record_file

  local function acknowledged()
    local text = tree.exists(record_file) and tree.read(record_file) or ""
    return select(2, text:gsub("\n", "")), text
  end

  ---Wait until that many more messages were acknowledged.
  local function more(count, seconds)
    local goal, deadline = acknowledged() + count, socket.gettime() + (seconds or 20)
    repeat
      socket.sleep(0.005)
      assert.is_true(socket.gettime() < deadline, "the load stands still:\n" .. s:log():sub(-2000))
    until acknowledged() >= goal
  end

  before_each(function()
    s = server.start { config = { workers = 2, log = { level = "info" } } }
    stop_file, record_file = s.dir .. "/stop", s.dir .. "/record"
    local argv = { "python3", "spec/wire/load.py", tostring(s.ports.mta), tostring(SENDERS), stop_file, record_file }
    for _, user in ipairs(USERS) do argv[#argv + 1] = user end
    load = assert(process.spawn(argv, nil, s.dir .. "/load.out"))
  end)

  local function stop_load()
    if not load then return end
    assert(io.open(stop_file, "w")):close()
    local deadline = socket.gettime() + 30
    while not process.reap(load) do
      if socket.gettime() > deadline then process.kill(-load, "KILL") end
      socket.sleep(0.01)
    end
    load = nil
  end

  after_each(function()
    stop_load()
    s:stop()
  end)

  ---Every acknowledged message is in its maildrop, whole; the store is consistent.
  local function verify()
    stop_load()
    local _, record = acknowledged()
    assert.is_nil(record:match("REFUSED[^\n]*"))
    local there = {}
    for _, user in ipairs(USERS) do
      local code, output = server.run({ "python3", "spec/wire/fetch.py", tostring(s.ports.pop3), user, s.users[user] })
      assert.equal(0, code, output)
      assert.is_nil(output:match("BROKEN[^\n]*"))
      for id in output:gmatch("[^\n]+") do there[id .. " " .. user] = true end
    end
    local lost, count = {}, 0
    for line in record:gmatch("[^\n]+") do
      count = count + 1
      if not there[line] then lost[#lost + 1] = line end
    end
    assert.same({}, lost)
    assert.is_true(count > 50)
    local code, output = s:command { "store", "check" }
    assert.equal(0, code, output)
  end

  ---Kill one process of a kind; it must be replaced within a second.
  local function kill_one(kind)
    local before = {}
    for _, pid in ipairs(s:pids(kind)) do before[pid] = true end
    local victim = assert(next(before), "no " .. kind .. " process")
    local alive = #s:pids(kind)
    process.kill(victim, "KILL")
    local started = socket.gettime()
    while true do
      local now, fresh = s:pids(kind), false
      for _, pid in ipairs(now) do fresh = fresh or not before[pid] end
      if fresh and #now == alive then break end
      assert.is_true(socket.gettime() - started < 1, kind .. " was not replaced within a second")
      socket.sleep(0.01)
    end
  end

  it("of a worker, nothing acknowledged is lost and a new one serves", function()
    more(60)
    for _ = 1, 4 do
      kill_one("worker")
      more(40)
    end
    assert.is_truthy(s:log():find("worker", 1, true))
    verify()
  end)

  it("of the store, nothing acknowledged is lost and a new one serves", function()
    more(60)
    for _ = 1, 4 do
      kill_one("store")
      more(40)
    end
    verify()
  end)

  it("of the master, the others end by themselves and a new start finds everything", function()
    for _ = 1, 3 do
      more(60)
      local children = s:processes()
      process.kill(s.pid, "KILL")
      while not process.reap(s.pid) do socket.sleep(0.002) end
      local deadline = socket.gettime() + 5
      for _, child in ipairs(children) do
        while server.parent_of(child.pid) do
          assert.is_true(socket.gettime() < deadline, child.name .. " outlives its master")
          socket.sleep(0.01)
        end
      end
      s:launch()
    end
    more(20)
    verify()
  end)

  it("of one after the other, while readers delete: nothing is lost, deleted by halves or back again", function()
    local reader_file = s.dir .. "/readers"
    local readers = {}
    for i, user in ipairs(USERS) do
      readers[i] = assert(process.spawn({ "python3", "spec/wire/readers.py", tostring(s.ports.pop3), user,
        s.users[user], stop_file, reader_file .. i }, nil, s.dir .. "/reader.out" .. i))
    end
    for _, kind in ipairs { "worker", "store", "worker", "store", "store", "worker" } do
      more(40)
      kill_one(kind)
    end
    more(40)
    stop_load()
    for _, reader in ipairs(readers) do
      while not process.reap(reader) do socket.sleep(0.01) end
    end
    local _, sent = acknowledged()
    assert.is_nil(sent:match("REFUSED[^\n]*"))
    for i, user in ipairs(USERS) do
      local code, output = server.run({ "python3", "spec/wire/fetch.py", tostring(s.ports.pop3), user, s.users[user] })
      assert.equal(0, code, output)
      local there, gone, deletions = {}, {}, tree.read(reader_file .. i)
      for id in output:gmatch("[^\n]+") do there[id] = true end
      assert.is_nil(deletions:match("BROKEN[^\n]*"))
      assert.is_truthy(deletions:find("gone %d"), "no reader deleted anything")
      for kind, ids in deletions:gmatch("(%a+) ([^\n]*)") do
        local whole = true
        for id in ids:gmatch("%S+") do whole = whole and not there[id] end
        for id in ids:gmatch("%S+") do
          if kind == "gone" then assert.is_nil(there[id], id .. " is back") end
          gone[id] = gone[id] or kind == "gone" or whole
        end
      end
      for id, to in sent:gmatch("(%S+) (%S+)") do
        if to == user then assert.is_true(there[id] or gone[id] or false, id .. " is lost") end
      end
    end
    local code, output = s:command { "store", "check" }
    assert.equal(0, code, output)
  end)

  it("of all at once, a new start finds everything", function()
    for _ = 1, 3 do
      more(60)
      s:kill_all()
      s:launch()
    end
    more(20)
    verify()
  end)
end)

describe("deletions under kill -9 of the store", function()
  it("are done all or not at all, and done when QUIT said +OK", function()
    local s = server.start()
    local total = 0
    for round = 1, 5 do
      local c = s:connect("mta")
      c:reply()
      c:command("EHLO client.example")
      for _ = 1, 60 - total do
        assert.is_true((c:mail("x@y.example", "bob@example.test", "Subject: d\r\n\r\n" .. ("x\r\n"):rep(3000))))
      end
      c:close()
      local m, reply
      repeat m, reply = s:maildrop("bob@example.test") until m or not reply:find("IN-USE", 1, true)
      assert.is_truthy(m, reply)
      for i = 1, 60 do m:send("DELE " .. i .. "\r\n") end
      for _ = 1, 60 do assert.is_truthy(m:line():find("^%+OK")) end
      local store = assert(s:pids("store")[1])
      m:send("QUIT\r\n")
      socket.sleep(0.0015 * (round - 1))
      process.kill(store, "KILL")
      local got, answer = pcall(m.line, m)
      m:close()
      -- What is sent into a store that is dying gets a 4xx, rightly: wait for the next one.
      local left
      local deadline = socket.gettime() + 10
      repeat
        socket.sleep(0.01)
        local now = s:pids("store")[1]
      until now and now ~= store or socket.gettime() > deadline
      repeat left = s:maildrop("bob@example.test") until left or socket.gettime() > deadline
      assert.is_truthy(left)
      total = tonumber((left:ask("STAT"):match("^%+OK (%d+)")))
      left:ask("QUIT")
      left:close()
      assert.is_true(total == 0 or total == 60, total .. " of 60 are left")
      if got and answer:find("^%+OK") then assert.equal(0, total) end
    end
    local code, output = s:command { "store", "check" }
    assert.equal(0, code, output)
    s:stop()
  end)
end)
