local mail_store = require "spec.support.store"
local bind = mail_store.bind

describe("dictionaries of several clients", function()
  local server, client, other

  before_each(function()
    server = mail_store.new()
    client, other = server:client(), server:client()
  end)
  after_each(function() server:finish() end)

  local function ask(c, q)
    local op = c:wait(c:dict(q))
    return op.status, op.answer
  end

  it("are one and the same", function()
    assert.equal("OK", (ask(client, { op = "set", key = "k", value = "v" })))
    assert.equal("v", select(2, ask(other, { op = "get", key = "k" })).value)
    for i = 1, 100 do (i % 2 == 0 and client or other):dict { op = "incr", key = "n" } end
    client:drain()
    other:drain()
    assert.equal(100, select(2, ask(client, { op = "get", key = "n" })).value)
    assert.equal(2, client:wait(client:numbers()).numbers.dict_entries)
  end)

  it("give no more tokens together than one alone would", function()
    local given, ops = 0, {}
    for i = 1, 100 do
      ops[i] = (i % 2 == 0 and client or other):dict { op = "take", key = "k", amount = 1000000000000,
        ceiling = 30 * 1000000000000 }                          -- a token in a thousand seconds
    end
    client:drain()
    other:drain()
    for _, op in ipairs(ops) do if op.answer.done then given = given + 1 end end
    assert.equal(30, given)
  end)

  it("in memory are gone with the process", function()
    ask(client, { op = "set", key = "k", value = "v" })
    server:restart(9)
    local status, answer = ask(client, { op = "get", key = "k" })
    assert.equal("OK", status)
    assert.is_nil(answer.value)
  end)

  it("fail while the process is away, soon, and work when it is back", function()
    ask(client, { op = "set", key = "k", value = "v" })
    server:kill()
    local status = ask(client, { op = "incr", key = "k" })
    assert.equal("TEMPFAIL", status)
    client:run(10)
    server:start()
    repeat status = ask(client, { op = "set", key = "k", value = "again" }) until status == "OK"
    assert.equal("again", select(2, ask(client, { op = "get", key = "k" })).value)
  end)

  it("wait for a restart that is short", function()
    client:wait(client:numbers())
    server:kill()
    client:run(30)                              -- it has seen that the process is gone
    local op = client:dict { op = "incr", key = "n" }
    server:start()
    assert.equal("OK", client:wait(op).status)
  end)

  it("are not asked twice for a step whose fate is not known, but read again", function()
    client:wait(client:numbers())
    bind.kill(server.pid, 19)                   -- it stands still: what is sent now gets no answer
    local step, reading = client:dict { op = "incr", key = "n" }, client:dict { op = "get", key = "n" }
    client:run(50)
    server:kill()
    server:start()
    assert.equal("OK", client:wait(reading).status)
    assert.equal("TEMPFAIL", client:wait(step).status)
    assert.is_nil(select(2, ask(client, { op = "get", key = "n" })).value)
  end)

  it("do not mind a request that is cancelled, sent or not", function()
    client:dict({ op = "set", key = "k", value = "v" }, true)
    client:wait(client:numbers())
    assert.is_nil(select(2, ask(client, { op = "get", key = "k" })).value)
  end)

  it("are refused when more is waiting than may", function()
    local small = server:client { max_queued_requests = 2 }
    for _ = 1, 2 do small:dict { op = "incr", key = "n" } end
    assert.equal("OVERLOAD", small:dict({ op = "incr", key = "n" }).status)
    small:drain()
    assert.equal("OK", (ask(small, { op = "incr", key = "n" })))
  end)

  it("bear whatever a client sends", function()
    local good = string.pack("<BBI4I8i8i8s4s4s4BB", 1, 0, 0, 0, 0, 0, "p", "k", "", 0, 0)
    local function frame(text) bind.raw(server.settings, bind.frame("DICT", text)) end
    frame("")
    for n = 0, #good do frame(good:sub(1, n)) end
    local bad = {
      string.pack("<BBI4I8i8i8s4s4s4BB", 8, 0, 0, 0, 0, 0, "p", "k", "", 0, 0),          -- no such op
      string.pack("<BBI4I8i8i8s4s4s4BB", 0, 8, 0, 0, 0, 0, "p", "k", "", 0, 0),          -- no such flag
      string.pack("<BBI4I8i8i8s4s4s4BB", 0, 0, 0, 0, 0, 0, "", "k", "", 0, 0),           -- nobody's
      string.pack("<BBI4I8i8i8s4s4s4BB", 0, 1, 0, 0, 0, 0, "p\0q", "k", "", 0, 0),
      string.pack("<BBI4I8i8i8s4s4s4BB", 0, 0, 0, 0, 0, 0, "p", ("k"):rep(500), "", 0, 0),
      string.pack("<BBI4I8i8i8s4s4s4BB", 0, 0, 0, 0, 0, 0, ("p"):rep(65), "k", "", 0, 0),
      string.pack("<BBI4I8i8i8s4s4s4BB", 7, 0, 0, 0, math.mininteger, 1, "p", "k", "", 0, 0),
      string.pack("<BBI4I8i8i8s4s4s4BB", 7, 0, 0, 0, math.maxinteger, math.maxinteger, "p", "k", "", 0, 0),
      string.pack("<BBI4I8i8i8s4s4s4Bi8B", 1, 0, 0, -1, 0, 0, "p", "k", "", 2, 1, 0),    -- for ever and a day
      string.pack("<BBI4I8i8i8s4s4s4Bi8B", 1, 0, 0, 0, 0, 0, "p", "k", "", 4, 1, 0),     -- a bucket as a value
      string.pack("<BBI4I8i8i8s4s4s4Bs4B", 1, 0, 0, 0, 0, 0, "p", "k", "", 1, ("v"):rep(65537), 0),
    }
    for _, text in ipairs(bad) do frame(text) end
    assert.equal(0, client:wait(client:numbers()).numbers.dict_entries)
    frame(string.pack("<BBI4I8i8i8s4s4s4Bi8B", 1, 0, 0, 0, 0, 0, "p", "k", "", 2, 1, 0))
    assert.equal(1, client:wait(client:numbers()).numbers.dict_entries)
  end)
end)
