local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("a client of the store", function()
  local server

  before_each(function() server = mail_store.new() end)
  after_each(function() server:finish() end)

  it("says what is missing when there is no store", function()
    local client, text = bind.client { path = "/nonexistent/mail" }
    assert.is_nil(client)
    assert.is_truthy(text:find("/nonexistent/mail", 1, true))
  end)

  it("has thousands of requests under way at once #slow", function()
    local client = server:client()
    local ops = {}
    for i = 1, 5000 do ops[i] = client:deliver("", { "a@example.test" }, ("%d\r\n"):format(i)) end
    client:drain()
    for _, op in ipairs(ops) do assert.equal("OK", op.status) end
    assert.equal(5000, client:mailbox("a@example.test").count)
    local numbers = client:wait(client:numbers()).numbers
    assert.is_true(numbers.batch_max > 50)
    assert.is_true(numbers.commits < 2000)
  end)

  it("keeps the order of its own messages", function()
    local client = server:client()
    for i = 1, 300 do client:deliver("", { "a@example.test" }, tostring(i)) end
    client:drain()
    for i, text in ipairs(mail_store.texts(client, "a@example.test")) do assert.equal(tostring(i), text) end
  end)

  it("ends requests with TEMPFAIL when the store is away, and goes on when it is back", function()
    local client = server:client()
    assert.equal("OK", client:wait(client:deliver("", { "a@example.test" }, "x")).status)
    server:stop(9)
    local op = client:deliver("", { "a@example.test" }, "y")
    assert.equal("TEMPFAIL", client:wait(op).status)
    assert.same({ "TEMPFAIL" }, op.results)
    server:start()
    for _ = 1, 100 do
      if client:wait(client:deliver("", { "a@example.test" }, "z")).status == "OK" then break end
      client:run(20)
    end
    assert.equal("OK", client:room())
    local texts = mail_store.texts(client, "a@example.test")
    assert.equal("x", texts[1])
    assert.equal("z", texts[#texts])
  end)

  it("waits for a store that comes back soon", function()
    local client = server:client()
    client:wait(client:numbers())
    server:kill()
    client:run(30)
    local op = client:user_put({ name = "a@example.test" }, true)
    server:start()
    assert.equal("OK", client:wait(op).status)
  end)

  it("sends deletions again when the answer was lost: they do no harm twice", function()
    local client = server:client()
    client:wait(client:deliver("", { "a@example.test" }, "x"))
    for _ = 1, 5 do
      client:wait(client:deliver("", { "b@example.test" }, "x"))
      local drop = client:open("b@example.test")
      bind.kill(server.pid, 19)            -- it stands still: the request is sent, not answered
      local op = drop:commit { 1 }
      client:run(20)
      server:restart(9)
      assert.equal("OK", client:wait(op).status)
      drop:close()
      assert.equal(0, client:mailbox("b@example.test").count)
    end
  end)

  it("reads while the store is away", function()
    local client = server:client()
    client:wait(client:deliver("", { "a@example.test" }, "x"))
    server:stop()
    assert.same({ "x" }, mail_store.texts(client, "a@example.test"))
    server:start()
  end)

  it("says OVERLOAD when too much waits", function()
    local client = server:client { max_queued_requests = 10 }
    bind.kill(server.pid, 19)
    local ops = {}
    for i = 1, 12 do ops[i] = client:deliver("", { "a@example.test" }, "x") end
    assert.equal("OVERLOAD", client:room())
    assert.equal("OVERLOAD", ops[11].status)
    assert.same({ "OVERLOAD" }, ops[12].results)
    bind.kill(server.pid, 18)
    client:drain()
    for i = 1, 10 do assert.equal("OK", ops[i].status) end
    assert.equal("OK", client:room())
    assert.equal(10, client:mailbox("a@example.test").count)
  end)

  it("says OVERLOAD when too many octets wait", function()
    local client = server:client { max_queued_octets = 1 << 20 }
    bind.kill(server.pid, 19)
    local refused = false
    for _ = 1, 40 do
      refused = refused or client:deliver("", { "a@example.test" }, ("x"):rep(60000)).status == "OVERLOAD"
    end
    assert.is_true(refused)
    bind.kill(server.pid, 18)
    client:drain()
  end)

  it("keeps its memory and the store's while the sockets are full", function()
    server:stop()
    server.settings.max_queued_requests = 5
    server:start()
    local client = server:client { max_queued_requests = 10000 }
    for _ = 1, 500 do client:deliver("", { "a@example.test" }, ("x"):rep(20000)) end
    client:drain()
    assert.equal(500, client:mailbox("a@example.test").count)
  end)

  it("forgets a delivery that is cancelled, wherever it is", function()
    local client = server:client()
    client:wait(client:numbers())
    bind.kill(server.pid, 19)
    local ops = {}
    for i = 1, 100 do ops[i] = client:deliver("", { "a@example.test" }, ("x"):rep(30000)) end
    client:run(20)                          -- some are sent, one halfway, the others wait
    for i = 1, 100, 3 do client:cancel(ops[i]) end
    bind.kill(server.pid, 18)
    client:drain()
    for i = 1, 100 do assert.equal(i % 3 == 1 and "CANCELED" or "OK", ops[i].status) end
    for _, text in ipairs(mail_store.texts(client, "a@example.test")) do
      assert.is_true(text == ("x"):rep(30000))
    end
    assert.equal("", server:problems())
  end)

  it("carries large messages among small ones by descriptor", function()
    local client = server:client()
    local ops = {}
    local function text_of(i) return ("%d"):format(i):rep(i % 3 == 0 and 40000 or 100) end
    for i = 1, 60 do ops[i] = client:deliver("", { "a@example.test" }, text_of(i)) end
    client:drain()
    for _, op in ipairs(ops) do assert.same({ "OK" }, op.results) end
    local seen = {}
    for _, text in ipairs(mail_store.texts(client, "a@example.test")) do seen[text] = true end
    for i = 1, 60 do assert.is_true(seen[text_of(i)]) end
  end)
end)
