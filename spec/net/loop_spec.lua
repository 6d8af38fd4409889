local net = require("spec.support.bind")("net")

local READABLE, WRITABLE = 1, 2
local SIGPIPE, SIGUSR1 = 13, 10

describe("tick", function()
  it("runs on the next turn, never at once", function()
    local ran = 0
    local t = net.callback(function() ran = ran + 1 end)
    t:tick()
    assert.equal(0, ran)
    net.turns(2)
    assert.equal(1, ran)
    net.turns(2)
    assert.equal(1, ran)
    t:free()
  end)

  it("scheduled twice runs once", function()
    local ran = 0
    local t = net.callback(function() ran = ran + 1 end)
    t:tick()
    t:tick()
    net.turns(3)
    assert.equal(1, ran)
    t:free()
  end)

  it("runs in the order of scheduling", function()
    local log = {}
    local list = {}
    for i = 1, 5 do list[i] = net.callback(function() log[#log + 1] = i end) end
    for _, i in ipairs { 3, 1, 5, 2, 4 } do list[i]:tick() end
    net.turns(2)
    assert.same({ 3, 1, 5, 2, 4 }, log)
    for i = 1, 5 do list[i]:free() end
  end)

  it("scheduled by a tick waits for the turn after", function()
    local log = {}
    local a, b
    a = net.callback(function()
      log[#log + 1] = "a"
      if #log < 4 then a:tick() end
    end)
    b = net.callback(function() log[#log + 1] = "b" end)
    a:tick()
    b:tick()
    net.turns(10)
    assert.same({ "a", "b", "a", "a" }, log)
    a:free()
    b:free()
  end)

  it("keeps the loop from sleeping", function()
    local left = 2000
    local t
    t = net.callback(function()
      left = left - 1
      if left > 0 then t:tick() end
    end)
    t:tick()
    local begun = net.now_ms()
    assert.is_true(net.run(5000, function() return left == 0 end))
    assert.is_true(net.now_ms() - begun < 1000)
    t:free()
  end)

  it("does not run when it was cancelled, even by a tick of the same turn", function()
    local log = {}
    local b
    local a = net.callback(function()
      log[#log + 1] = "a"
      b:untick()
    end)
    b = net.callback(function() log[#log + 1] = "b" end)
    a:tick()
    b:tick()
    net.turns(3)
    assert.same({ "a" }, log)
    b:tick()
    net.turns(2)
    assert.same({ "a", "b" }, log)
    a:free()
    b:free()
  end)
end)

describe("watch", function()
  local one, other, events

  before_each(function()
    one, other = net.pair()
    events = {}
  end)

  after_each(function()
    net.close(one)
    net.close(other)
  end)

  local function watcher()
    return net.callback(function(got) events[#events + 1] = got end)
  end

  it("tells that a descriptor is readable, as long as it is", function()
    local w = watcher()
    w:watch(one, READABLE)
    net.turns(3)
    assert.same({}, events)
    net.send(other, "x")
    assert.is_true(net.run(1000, function() return #events >= 2 end))
    assert.equal(READABLE, events[1])
    assert.equal("x", net.recv(one))
    events = {}
    net.turns(3)
    assert.same({}, events)
    w:free()
  end)

  it("tells that it is writable only when asked", function()
    local w = watcher()
    w:watch(one, READABLE)
    net.turns(3)
    assert.same({}, events)
    w:watch(one, READABLE + WRITABLE)
    assert.is_true(net.run(1000, function() return events[1] end))
    assert.equal(WRITABLE, events[1])
    w:free()
  end)

  it("is silent while it waits for nothing, and speaks again afterwards", function()
    local w = watcher()
    w:watch(one, READABLE)
    w:watch(one, 0)
    net.send(other, "x")
    net.turns(5)
    assert.same({}, events)
    w:watch(one, READABLE)
    assert.is_true(net.run(1000, function() return events[1] end))
    w:free()
  end)

  it("may be freed inside its own callback", function()
    local w
    w = net.callback(function()
      events[#events + 1] = true
      w:free()
    end)
    w:watch(one, READABLE)
    net.send(other, "x")
    assert.is_true(net.run(1000, function() return events[1] end))
    net.turns(3)
    assert.equal(1, #events)
  end)

  it("of a closed and reused descriptor number belongs to the new one", function()
    local w = watcher()
    w:watch(one, READABLE)
    net.turns(2)
    w:free()
    net.close(one)
    net.close(other)
    one, other = net.pair()
    local again = watcher()
    again:watch(one, READABLE)
    net.send(other, "y")
    assert.is_true(net.run(1000, function() return events[1] end))
    again:free()
  end)
end)

describe("loop", function()
  it("calls for signals", function()
    local got = 0
    net.signal(SIGUSR1, function() got = got + 1 end)
    net.raise(SIGUSR1)
    assert.is_true(net.run(1000, function() return got == 1 end))
    net.raise(SIGUSR1)
    assert.is_true(net.run(1000, function() return got == 2 end))
  end)

  it("ignores SIGPIPE: writing to a closed connection is an error, not the end", function()
    net.raise(SIGPIPE)
    local one, other = net.pair()
    net.close(other)
    assert.is_nil(net.send(one, "x"))
    net.close(one)
  end)

  it("tells how a child ended", function()
    local ended = {}
    local function note(pid, code) ended[pid] = code end
    local quick, slow = net.spawn(3, 0), net.spawn(0, 60)
    net.child(quick, note)
    net.child(slow, note)
    assert.is_true(net.run(3000, function() return ended[quick] and ended[slow] end))
    assert.equal(3, ended[quick])
    assert.equal(0, ended[slow])
  end)

  it("sees a child that ended before anybody looked", function()
    local code
    local pid = net.spawn(9, 0)
    net.run(50)
    net.child(pid, function(_, c) code = c end)
    assert.is_true(net.run(1000, function() return code end))
    assert.equal(9, code)
  end)

  it("starts afresh in a forked child and is untouched in the parent", function()
    local one, other = net.pair()
    local events, fired = 0, false
    local w = net.callback(function()
      events = events + 1
      net.recv(one)
    end)
    w:watch(one, READABLE)
    local t = net.callback(function() fired = true end)
    t:start(150)
    net.turns(2)
    -- The child frees the parent's watch and runs a timer of its own.
    local pid = net.fork_loop(w)
    assert.equal(7, net.wait(pid))
    net.send(other, "x")
    assert.is_true(net.run(1000, function() return events == 1 and fired end))
    w:free()
    t:free()
    net.close(one)
    net.close(other)
  end)
end)
