-- What plugins share over the store process: two workers, real sockets.
local process = require("spec.support.bind")("process")
local server = require "spec.support.server"
local socket = require "socket"

-- Recipients are commands: "incr@..." and so on; the reply says which worker answered.
local PROBE = [[
local plugin = ...
local mail = require "moonpost"
local worker = mail.random(8)
local memory, disk = mail.dict("memory"), mail.dict("disk", { durable = true })
local bucket = mail.limit { name = "bucket", rate = 0.001, burst = 50 }

local commands = {
  incr = function() return memory:incr("n") end,
  durable = function() return disk:incr("n") end,
  get = function() return memory:get("n") end,
  read = function() return disk:get("n") end,
  take = function() return bucket:take("k") end,
  hold = function() return bucket:take("k", 0) end,
}
plugin:hook("accept_recipient", function(_, recipient)
  local value, why, word = commands[recipient.localpart]()
  return mail.reject("5.7.1", ("%s %s %s"):format(worker, tostring(value), word or ""))
end)
]]

describe("dictionaries and limits of two workers", function()
  local s, clients

  before_each(function()
    s, clients = server.start { plugins = { probe = PROBE }, config = { workers = 2 } }, {}
  end)
  after_each(function()
    for _, c in ipairs(clients) do c:close() end
    s:stop()
  end)

  local function ask(c, word)
    local _, text = c:command("RCPT TO:<" .. word .. "@example.test>")
    local worker, value, why = text:match("^5%.7%.1 (%w+) (%S+) ?(%S*)")
    return value, worker, why
  end
  local function begin()
    local c = s:connect "mta"
    clients[#clients + 1] = c
    c:reply()
    c:command "EHLO client.example"
    c:command "MAIL FROM:<a@client.example>"
    return c
  end

  ---Clients of both workers, as many of each.
  local function of_both(n)
    local by_worker, list = {}, {}
    local deadline = socket.gettime() + 30
    repeat
      local c = begin()
      local _, worker = ask(c, "hold")
      by_worker[worker] = by_worker[worker] or {}
      table.insert(by_worker[worker], c)
      local full = {}
      for _, group in pairs(by_worker) do if #group >= n then full[#full + 1] = group end end
      if #full == 2 then
        for i = 1, n do list[#list + 1] = full[1][i] list[#list + 1] = full[2][i] end
        return list
      end
    until socket.gettime() > deadline
    error("only one worker answers")
  end

  it("are the same ones: no step is lost", function()
    local list = of_both(2)
    for _, kind in ipairs { "incr", "durable" } do
      for _ = 1, 20 do
        for _, c in ipairs(list) do assert(c:send("RCPT TO:<" .. kind .. "@example.test>\r\n")) end
      end
      for _ = 1, 20 do
        for _, c in ipairs(list) do c:reply() end
      end
    end
    for _, c in ipairs(list) do
      assert.equal("80", (ask(c, "get")))
      assert.equal("80", (ask(c, "read")))
    end
  end)

  it("give together what one would alone: the burst, and what the rate adds", function()
    local list, given, began = of_both(4), 0, socket.gettime()
    for _ = 1, 30 do
      for _, c in ipairs(list) do assert(c:send "RCPT TO:<take@example.test>\r\n") end
    end
    for _ = 1, 30 do
      for _, c in ipairs(list) do
        local _, text = c:reply()
        if text:find(" true ", 1, true) then given = given + 1 end
      end
    end
    assert.is_true(given >= 50 and given <= 50 + math.ceil((socket.gettime() - began) * 0.001), given)
  end)

  it("lose what is in memory with the store process, and keep what is durable", function()
    local c = begin()
    assert.equal("1", (ask(c, "incr")))
    assert.equal("1", (ask(c, "durable")))
    process.kill(s:pids("store")[1], "KILL")
    local value, worker, why
    repeat value, worker, why = ask(c, "incr") until why ~= "store"
    assert.is_string(worker)
    assert.equal("1", value)
    assert.equal("2", (ask(c, "durable")))
    s:restart()
    c = begin()
    assert.equal("nil", (ask(c, "get")))
    assert.equal("2", (ask(c, "read")))
    local code, text = s:command { "store", "check" }
    assert.equal(0, code, text)
    assert.matches("dictionary entries 1; problems 0", text)
  end)

  it("show in the status of the server", function()
    local c = begin()
    ask(c, "incr")
    ask(c, "durable")
    local code, text = s:command { "status" }
    assert.equal(0, code)
    assert.matches("dict entries +1\n", text)
    assert.matches("dict octets +%d+", text)
    assert.matches("dict evicted +0\n", text)
    assert.matches("durable entries +1\n", text)
  end)
end)

describe("the limits of dictionaries in the configuration", function()
  -- "put-10-a@...": ten octets under a.
  local FILL = [[
    local plugin = ...
    local mail = require "moonpost"
    local dicts = { put = mail.dict("memory"), keep = mail.dict("disk", { durable = true }) }
    plugin:hook("accept_recipient", function(_, recipient)
      local kind, octets, key = recipient.localpart:match("^(%a+)-(%d+)-(.+)$")
      local done, _, word = dicts[kind]:set(key, ("x"):rep(tonumber(octets)))
      return mail.reject("5.7.1", word or tostring(done))
    end)]]
  local LARGE, MOST = 40000, 65536

  for key, case in pairs {
    max_entries = { 2, "put", 10, "true true true", 1 },
    max_octets = { MOST, "put", LARGE, "true true true", 2 },
    max_plugin_octets = { MOST, "put", LARGE, "true true true", 2 },
    max_value_octets = { 20, "put", 21, "limit limit limit", 0 },
    max_key_octets = { 16, "put", 10, "true true true", 0 },
    durable_max_entries = { 2, "keep", 10, "true true limit", 0 },
    durable_max_octets = { MOST, "keep", LARGE, "true limit limit", 0 },
    durable_max_plugin_octets = { MOST, "keep", LARGE, "true limit limit", 0 },
  } do
    it("are reached: dict." .. key, function()
      local limit, kind, octets, expected, evicted = table.unpack(case)
      local s = server.start { plugins = { fill = FILL },
        config = { dict = { max_value_octets = MOST, [key] = limit } } }
      local c, words = s:connect "mta", {}
      c:reply()
      c:command "EHLO client.example"
      c:command "MAIL FROM:<a@client.example>"
      local function ask(name)
        local _, text = c:command(("RCPT TO:<%s-%d-%s@example.test>"):format(kind, octets, name))
        return text:match("^5%.7%.1 (%a+)$")
      end
      for i, name in ipairs { "a", "b", "c" } do words[i] = ask(name) end
      assert.equal(expected, table.concat(words, " "))
      if key == "max_key_octets" then
        assert.equal("true", ask(("k"):rep(16)))
        assert.equal("limit", ask(("k"):rep(17)))
      end
      c:close()
      local _, status = s:command { "status" }
      assert.matches("dict evicted +" .. evicted .. "\n", status)
      s:stop()
    end)
  end
end)

describe("greylist and limits on the wire", function()
  local s
  after_each(function() s:stop() end)

  it("ask an unknown client to come back, and know it then, also after a restart", function()
    s = server.start { plugins = {}, config = { plugins = { { "greylist", options = { delay = 1 } }, "auth_users" } } }
    local ok, reply = s:deliver("a@client.example", "bob@example.test", "Subject: x\r\n\r\n")
    assert.is_false(ok)
    assert.equal("450 4.7.1 Greylisted, try again in a second", reply)
    s:restart()
    repeat ok = s:deliver("a@client.example", "bob@example.test", "Subject: x\r\n\r\n") until ok
    s:configure { plugins = { { "greylist", options = { delay = 300 } }, "auth_users" } }
    s:restart()
    assert.is_true((s:deliver("a@client.example", "bob@example.test", "Subject: x\r\n\r\n")))
    assert.is_false((s:deliver("b@client.example", "bob@example.test", "Subject: x\r\n\r\n")))
  end)

  it("count failed logins of both protocols together", function()
    s = server.start { plugins = {}, config = { plugins = { { "limits", options = { rules = {
      { count = "login_failures", per = "address", limit = 3, seconds = 600 },
    } } }, "auth_users" } } }
    assert.is_truthy(s:maildrop "bob@example.test")
    assert.is_nil((s:maildrop("bob@example.test", "wrong")))
    local c = s:connect "submission"
    c:reply()
    c:command "EHLO client.example"
    assert.equal(535, (c:auth_plain("bob@example.test", "wrong")))
    assert.equal(535, (c:auth_plain("alice@example.test", "wrong")))
    -- The third failure may be counted a moment after its reply.
    local drop, text
    repeat drop, text = s:maildrop "bob@example.test" until not drop
    assert.matches("^%-ERR %[SYS/TEMP%] Too many failed logins of 127.0.0.1, try again in %d minutes", text)
    local code, reply = c:auth_plain("alice@example.test", "alice-secret")
    assert.equal(454, code)
    assert.matches("^4.7.0 Too many failed logins", reply)
    c:close()
  end)

  it("count connections of all workers", function()
    s = server.start { plugins = {}, config = { workers = 2, plugins = { { "limits", options = { rules = {
      { count = "connections", per = "address", limit = 5, seconds = 600 },
    } } }, "auth_users" } } }
    local taken, refused = 0, nil
    for _ = 1, 20 do
      local c = s:connect "mta"
      local code, text = c:reply()
      if code == 220 then taken = taken + 1 else refused = code .. " " .. text end
      c:close()
    end
    assert.equal(5, taken)
    assert.matches("^4%d%d 4.7.0 Too many connections of 127.0.0.1, try again in %d+", refused)
  end)
end)
