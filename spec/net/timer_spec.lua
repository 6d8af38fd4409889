local base = require("spec.support.bind")("base")
local net = require("spec.support.bind")("net")

local START = 1700000000000000 -- microseconds: a fake time to begin at

describe("timer on the real clock", function()
  local function now_ms()
    return net.now_ms()
  end

  it("is never early and late by a few milliseconds at most", function()
    for _, ms in ipairs { 1, 7, 30, 60 } do
      local at
      local t = net.callback(function() at = now_ms() end)
      local begun = now_ms()
      t:start(ms)
      assert.is_true(net.run(2000, function() return at end))
      assert.is_true(at - begun >= ms, ("%d ms: early by %d"):format(ms, ms - (at - begun)))
      -- Generous: the machine may be busy; the fake clock below is strict.
      assert.is_true(at - begun <= ms + 60, ("%d ms: late by %d"):format(ms, at - begun - ms))
      t:free()
    end
  end)

  it("counts from its start, not from the loop's last turn", function()
    local fired
    local t = net.callback(function() fired = true end)
    net.run(1)
    net.sleep_ms(60)
    t:start(40)
    assert.is_false(net.run(30, function() return fired end))
    assert.is_true(net.run(2000, function() return fired end))
    t:free()
  end)

  it("lets the loop sleep while it waits", function()
    local cpu = os.clock()
    net.run(150)
    assert.is_true(os.clock() - cpu < 0.05)
  end)
end)

describe("timer on a fake clock", function()
  local time_ms

  local function at(ms)
    time_ms = ms
    base.clock_fake(START + ms * 1000)
    net.turns(2)
  end

  before_each(function() at(0) end)
  after_each(function() base.clock_fake(0) end)

  it("fires within 5 ms of its time whether it is short or long", function()
    for _, ms in ipairs { 1, 4, 100, 999, 1000, 1024, 1500, 5000, 64000, 66000, 300000, 7200000 } do
      at(0)
      local fired = 0
      local t = net.callback(function() fired = fired + 1 end)
      t:start(ms)
      for step = 1, 4 do at(ms * step // 5) end
      at(ms - 1)
      assert.equal(0, fired, ms .. " ms was early")
      at(ms + 5)
      assert.equal(1, fired, ms .. " ms was late")
      at(ms * 3)
      assert.equal(1, fired, ms .. " ms fired twice")
      t:free()
      base.clock_fake(0)
      net.turns(2)
    end
  end)

  it("fires no one of a thousand early and none late", function()
    math.randomseed(7)
    local waiting = {}
    for i = 1, 1000 do
      local due = math.random(1, i % 2 == 0 and 2000 or 90000)
      waiting[i] = { due = due }
      waiting[i].timer = net.callback(function()
        assert.is_true(time_ms >= due, "early")
        assert.is_true(time_ms - due <= 55, "late")
        waiting[i].fired = (waiting[i].fired or 0) + 1
      end)
      waiting[i].timer:start(due)
    end
    for ms = 50, 90100, 50 do at(ms) end
    for i = 1, 1000 do
      assert.equal(1, waiting[i].fired)
      waiting[i].timer:free()
    end
  end)

  it("counts from now again when it is started again", function()
    local fired = 0
    local t = net.callback(function() fired = fired + 1 end)
    t:start(1000)
    for step = 1, 20 do
      at(step * 900)
      t:start(1000)
    end
    assert.equal(0, fired)
    at(20 * 900 + 1010)
    assert.equal(1, fired)
    t:free()
  end)

  it("may be started again for an earlier time", function()
    local fired = 0
    local t = net.callback(function() fired = fired + 1 end)
    t:start(300000)
    t:start(50)
    at(60)
    assert.equal(1, fired)
    at(400000)
    assert.equal(1, fired)
    t:free()
  end)

  it("does not fire after it was stopped, and works again when started", function()
    local fired = 0
    local t = net.callback(function() fired = fired + 1 end)
    t:start(100)
    t:stop()
    at(500)
    assert.equal(0, fired)
    t:start(100)
    at(700)
    assert.equal(1, fired)
    t:free()
  end)

  it("may be stopped or pushed back by one that is due at the same time", function()
    local log = {}
    local b, c
    local a = net.callback(function()
      log[#log + 1] = "a"
      b:stop()
      c:start(100)
    end)
    b = net.callback(function() log[#log + 1] = "b" end)
    c = net.callback(function() log[#log + 1] = "c" end)
    a:start(50)
    b:start(50)
    c:start(50)
    at(60)
    assert.same({ "a" }, log)
    at(170)
    assert.same({ "a", "c" }, log)
    a:free()
    b:free()
    c:free()
  end)

  it("may start itself again", function()
    local fired = 0
    local t
    t = net.callback(function()
      fired = fired + 1
      t:start(100)
    end)
    t:start(100)
    for ms = 0, 1200, 10 do at(ms) end
    assert.is_true(fired >= 10 and fired <= 12, fired .. " times")
    t:free()
  end)

  it("with no time to wait fires on a later turn, not at once", function()
    local fired = 0
    local t = net.callback(function() fired = fired + 1 end)
    t:start(0)
    assert.equal(0, fired)
    at(4)
    assert.equal(1, fired)
    t:free()
  end)

  it("survives a clock that jumps back", function()
    local fired = 0
    local t = net.callback(function() fired = fired + 1 end)
    at(5000000)
    at(0)
    t:start(100)
    at(99)
    assert.equal(0, fired)
    at(110)
    assert.equal(1, fired)
    t:free()
  end)
end)
