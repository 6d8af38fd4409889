-- luacheck: no max line length
local mail_store = require "spec.support.store"
local script = require "spec.support.script"

describe("mail.limit", function()
  local server

  setup(function() server = mail_store.new() end)
  teardown(function() server:finish() end)
  after_each(script.clean)

  local count = 0
  local function value(text, options)
    count = count + 1
    local stage = script.plugin(([[
      local bucket = mail.limit { name = "b%d", %s }
      local function text(...)
        local t = table.pack(...)
        for i = 1, t.n do t[i] = tostring(t[i]) end
        return table.concat(t, " ")
      end
      plugin:hook("accept_recipient", function(session, r) return mail.reject(nil, text((function() %s end)())) end)]])
      :format(count, options or "rate = 0.01, burst = 3", text), { store = server })
    return script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text
  end

  it("gives the burst, then says how long to wait, for each key apart", function()
    assert.equal("true 2 true 1 true 0 false true 2", value [[
      local out = {}
      for i = 1, 3 do out[i] = select(2, bucket:take("k")) end
      local ok = bucket:take("k")
      return true, out[1], true, out[2], true, out[3], ok, bucket:take("another")]])
    assert.equal("100 integer true", value [[
      for _ = 1, 3 do bucket:take("k") end
      local _, wait, exact = bucket:take("k")
      return wait, math.type(wait), exact > 95 and exact <= 100]])
  end)

  it("takes several, or none to see what is left", function()
    assert.equal("true 3 true 1 false true 1 limit", value [[
      local a, b = bucket:take("k", 0)
      local c, d = bucket:take("k", 2)
      local e, f, g = bucket:take("k", 2), bucket:take("k", 0)
      return a, b, c, d, e, f, select(2, bucket:take("k", 0)), select(3, bucket:take("k", 4))]])
  end)

  it("fills again with time, exactly", function()
    assert.equal("false true", value([[
      bucket:take("k")
      local ok, _, wait = bucket:take("k")
      mail.sleep(wait)
      return ok, (bucket:take("k"))]], "rate = 10, burst = 1"))
  end)

  it("makes no difference between keys by their length alone", function()
    assert.equal("true true false true", value([[
      local long = ("x"):rep(1000)
      local a, b = bucket:take(long .. "a"), bucket:take(long .. "b")
      return a, b, (bucket:take(long .. "a")), (bucket:take(""))]], "rate = 0.01, burst = 1"))
  end)

  it("fails with a word when there is no store", function()
    local stage = script.plugin [[local bucket = mail.limit { name = "b", rate = 1, burst = 1 }
      plugin:hook("accept_recipient", function() return mail.reject(nil, select(3, bucket:take("k"))) end)]]
    assert.equal("store", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)

  for call, text in pairs {
    ["mail.limit { rate = 1, burst = 1 }"] = "name is a string that tells this limit from others",
    ['mail.limit { name = "a", rate = 0, burst = 1 }'] = "rate is tokens per second",
    ['mail.limit { name = "a", rate = 0/0, burst = 1 }'] = "rate is tokens per second",
    ['mail.limit { name = "a", rate = 2e6, burst = 1 }'] = "rate is tokens per second",
    ['mail.limit { name = "a", rate = 1, burst = 0.5 }'] = "burst is at least 1",
    ['mail.limit { name = "a", rate = 1e-6, burst = 1e6 }'] = "fills within a year",
    ['mail.limit { name = "a", rate = "1", burst = 1 }'] = "rate is a number, not a string",
    ['mail.limit { name = "a", rate = 1, bursts = 1 }'] = "unknown option bursts; did you mean burst%?",
    ['mail.limit { name = "a", rate = 1, burst = 1 }:take("k")'] = "inside hooks only",
    ['mail.limit { name = "a", rate = 1, burst = 1 }.take("k")'] = "write limit:take%(...%), with a colon",
    ['mail.limit { name = "a", rate = 1, burst = 1 }:take("k", -1)'] = "tokens: 0 %(only look%) or more",
  } do
    it("does not load with " .. call, function()
      local stage, err = script.try { store = server, plugins = { one = 'local mail = require "moonpost"\n' .. call } }
      assert.is_nil(stage)
      assert.matches(text, err)
    end)
  end
end)
