local net = require("spec.support.bind")("net")

describe("work_pool", function()
  local pool, done

  before_each(function()
    pool = net.pool(2)
    done = {}
  end)

  after_each(function() pool:free() end)

  local function job(name, ms)
    return pool:submit(ms, function(ran, cancelled, on_loop)
      done[#done + 1] = { name = name, ran = ran, cancelled = cancelled, on_loop = on_loop }
    end)
  end

  it("runs jobs on threads and tells it on the loop", function()
    for i = 1, 20 do job(i, 1) end
    assert.equal(0, #done)
    assert.is_true(net.run(3000, function() return #done == 20 end))
    for _, d in ipairs(done) do
      assert.is_true(d.ran)
      assert.is_false(d.cancelled)
      assert.is_false(d.on_loop)
    end
  end)

  it("runs as many at once as it has threads, and no more", function()
    local begun = net.now_ms()
    for i = 1, 4 do job(i, 40) end
    assert.is_true(net.run(3000, function() return #done == 4 end))
    local took = net.now_ms() - begun
    assert.is_true(took >= 80, "took " .. took)
    assert.is_true(took < 150, "took " .. took)
  end)

  it("begins them in the order of submission", function()
    pool:free()
    pool = net.pool(1)
    for i = 1, 5 do job(i, 0) end
    assert.is_true(net.run(3000, function() return #done == 5 end))
    for i = 1, 5 do assert.equal(i, done[i].name) end
  end)

  it("never runs a job that was cancelled before its turn, and still says it is done", function()
    job("a", 30)
    job("b", 30)
    local c = job("c", 30)
    pool:cancel(c)
    assert.equal(0, #done)
    assert.is_true(net.run(1000, function() return #done == 1 end))
    assert.same({ name = "c", ran = false, cancelled = true, on_loop = false }, done[1])
    assert.is_true(net.run(1000, function() return #done == 3 end))
  end)

  it("lets a running job end and marks it as cancelled", function()
    local a = job("a", 40)
    net.run(10)
    pool:cancel(a)
    assert.equal(0, #done)
    assert.is_true(net.run(1000, function() return #done == 1 end))
    assert.is_true(done[1].ran)
    assert.is_true(done[1].cancelled)
  end)

  it("when freed waits for what runs and cancels what waits", function()
    job("a", 30)
    job("b", 30)
    net.run(5)
    for i = 1, 3 do job(i, 30) end
    local begun = net.now_ms()
    pool:free()
    assert.is_true(net.now_ms() - begun < 100)
    assert.equal(5, #done)
    local ran = 0
    for _, d in ipairs(done) do
      ran = ran + (d.ran and 1 or 0)
      assert.equal(not d.ran, d.cancelled)
    end
    assert.equal(2, ran)
  end)

  it("works in a forked child, also when it had threads in the parent", function()
    assert.equal(7, net.wait(pool:fork()))
    job("a", 1)
    assert.is_true(net.run(1000, function() return done[1] end))
    assert.equal(7, net.wait(pool:fork()))
    job("b", 1)
    assert.is_true(net.run(1000, function() return done[2] end))
  end)

  it("starts no thread before there is work", function()
    local function threads()
      local text = assert(io.open("/proc/self/status")):read("a")
      return tonumber(text:match("Threads:%s*(%d+)"))
    end
    local before = threads()
    local idle = net.pool(8)
    assert.equal(before, threads())
    idle:free()
    job("a", 1)
    assert.equal(before + 1, threads())
    net.run(1000, function() return done[1] end)
  end)
end)
