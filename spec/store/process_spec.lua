local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("the store process", function()
  local server

  before_each(function() server = mail_store.new() end)
  after_each(function() server:finish() end)

  it("ends with 0 on SIGTERM and commits what it has received first", function()
    local client = server:client()
    local ops = {}
    for i = 1, 200 do ops[i] = client:deliver("", { "a@example.test" }, ("m%d\r\n"):format(i)) end
    client:wait(ops[1])
    local how, code = server:stop()
    assert.equal("exit", how)
    assert.equal(0, code)
    client:drain()
    local ok = 0
    for _, op in ipairs(ops) do ok = ok + (op.status == "OK" and 1 or 0) end
    assert.is_true(#mail_store.texts(client, "a@example.test") >= ok)
    server:start()
  end)

  it("ignores SIGINT: Ctrl-C is the master's business", function()
    local client = server:client()
    client:wait(client:deliver("", { "a@example.test" }, "x"))
    bind.kill(server.pid, 2)
    assert.equal("OK", client:wait(client:deliver("", { "a@example.test" }, "y")).status)
  end)

  it("leaves a directory that another one holds alone: exit code 75", function()
    local client = server:client()
    client:wait(client:deliver("", { "a@example.test" }, "x"))
    local second = bind.start(server.settings, server.listening, true)
    local how, code = bind.wait(second)
    assert.equal("exit", how)
    assert.equal(75, code)
    assert.is_true(bind.running(server.settings))
  end)

  it("says 73 when there is no environment", function()
    server:stop()
    os.execute("rm -rf " .. server.settings.path .. "/mail.mdb && mkdir " .. server.settings.path .. "/mail.mdb")
    server:start(true)
    local _, code = bind.wait(server.pid)
    server.pid = nil
    assert.equal(73, code)
  end)

  -- Every round: a load of deliveries and deletions, kill -9 somewhere in the middle, a new
  -- process; then everything that was acknowledged must be there, and nothing else be wrong.
  it("loses nothing that it acknowledged when it is killed under load, 25 times #slow", function()
    local client = server:client()
    local expected, unknown, deleted = {}, {}, {}
    local number, acknowledged = 0, 0
    local seed = os.time()
    math.randomseed(seed)

    local function deliver()
      number = number + 1
      local large = number % 40 == 0
      local text = ("Subject: %d\r\n\r\n%s\r\n"):format(number, ("x"):rep(large and 70000 or math.random(9000)))
      return { op = client:deliver("", { "load@example.test" }, text), text = text }
    end

    for _ = 1, 25 do
      local flying = {}
      local stop_at = math.random(20, 150)
      for i = 1, stop_at do
        flying[#flying + 1] = deliver()
        client:drain(48)
        if i == stop_at // 2 then
          local drop = assert(client:open("load@example.test"))
          if drop and drop:facts().count > 2 then
            local first = assert(drop:read(1))
            flying[#flying + 1] = { op = drop:commit { 1 }, gone = first, drop = drop }
          elseif drop then
            drop:close()
          end
        end
      end
      bind.kill(server.pid, 9)
      bind.wait(server.pid)
      server:start()
      client:drain()
      for _, f in ipairs(flying) do
        if f.gone then
          f.drop:close()
          deleted[f.gone] = f.op.status
        elseif f.op.status == "OK" then
          acknowledged = acknowledged + 1
          expected[f.text] = true
        else
          assert.equal("TEMPFAIL", f.op.status)
          unknown[f.text] = true
        end
      end
      for _ = 1, 20 do
        if client:wait(client:numbers()).status == "OK" then break end
      end
      assert.equal("", server:problems(), "seed " .. seed)
    end
    local found = {}
    for _, text in ipairs(mail_store.texts(client, "load@example.test")) do
      assert.is_true(expected[text] or unknown[text])
      assert.are_not_equal("OK", deleted[text])
      found[text] = true
    end
    for text in pairs(expected) do
      assert.is_true(found[text] or deleted[text] ~= nil, "seed " .. seed)
    end
    assert.is_true(acknowledged > 300)
  end)
end)
