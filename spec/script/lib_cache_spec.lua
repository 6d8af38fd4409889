-- luacheck: no max line length
local script = require "spec.support.script"

describe("mail.cache", function()
  after_each(script.clean)

  local HEAD = [[
    local function text(...)
      local t = table.pack(...)
      for i = 1, t.n do t[i] = tostring(t[i]) end
      return table.concat(t, " ")
    end
  ]]
  local function stage_of(options, body, setup)
    return script.plugin(HEAD .. "local cache = mail.cache(" .. options .. ") " .. body, setup)
  end
  local function value(options, body)
    local stage = stage_of(options, ('plugin:hook("accept_recipient", function(session, r) return mail.reject(nil, text((function() %s end)())) end)'):format(body))
    return script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text
  end

  it("keeps values of any kind, until they are deleted or their time is over", function()
    assert.equal("nil 1 table nil false nil nil", value("{}", [[
      local none = cache:get("k")
      cache:set("k", 1) cache:set("t", {}) cache:set("f", false)
      local one = cache:get("k")
      local t = type(cache:get("t"))
      cache:delete("k")
      local gone, f = cache:get("k"), cache:get("f")
      cache:set("short", 1, 0.01)
      mail.sleep(0.02)
      local short = cache:get("short")
      cache:clear()
      return none, one, t, gone, f, short, cache:get("t")]]))
  end)

  it("asks the loader once, and again when the time is over", function()
    assert.equal("k1 k1 k2", value("{ ttl = 0.02 }", [[
      local n = 0
      local function loader(key) n = n + 1 return key .. n end
      local a, b = cache:get("k", loader), cache:get("k", loader)
      mail.sleep(0.03)
      return a, b, cache:get("k", loader)]]))
  end)

  it("remembers that there is none, for a time of its own, but not that it failed", function()
    assert.equal("1 2 4 nil no io", value("{ negative_ttl = 0.02 }", [[
      local n = 0
      local function none() n = n + 1 end
      cache:get("k", none) cache:get("k", none)
      local first = n
      mail.sleep(0.03)
      cache:get("k", none)
      local second = n
      local function fails() n = n + 1 return nil, "no", "io" end
      cache:get("f", fails)
      return first, second, n + 1, cache:get("f", fails)]]))
  end)

  it("holds no more than its size: what was unused longest goes", function()
    assert.equal("1 nil 3 4", value("{ size = 3 }", [[
      cache:set("a", 1) cache:set("b", 2) cache:set("c", 3)
      cache:get("a")
      cache:set("d", 4)
      return cache:get("a"), cache:get("b"), cache:get("c"), cache:get("d")]]))
  end)

  it("behaves like a table, whatever is done to it", function()
    assert.equal("true", value("{ size = 50 }", [[
      local model, count = {}, 0
      for i = 1, 2900 do
        local key = tostring(i * 7919 % 101)
        if i % 5 == 0 then cache:delete(key) model[key] = nil else cache:set(key, i) model[key] = i end
        if i % 500 == 0 then cache:clear() model = {} end
        for k, v in pairs { [key] = model[key] } do if cache:get(k) ~= v then return "wrong", k end end
      end
      for key, v in pairs(model) do
        local kept = cache:get(key)
        if kept and kept ~= v then return "wrong", key end
        if kept then count = count + 1 end
      end
      return count <= 50 and count > 10]]))
  end)

  ---Several sessions at once; their answers.
  local function several(stage, n)
    local asked, texts = {}, {}
    for i = 1, n do asked[i] = stage:ask { hook = "accept_recipient", address = "bob@example.test" } end
    stage:run(10000)
    for i = 1, n do texts[i] = assert(asked[i]:answer(), "no answer").text end
    return texts, asked
  end

  it("runs the loader once for all who wait at the same time", function()
    local stage = stage_of("{}", [[local n = 0 plugin:hook("accept_recipient", function()
      return mail.reject(nil, text(cache:get("k", function() mail.sleep(0.01) n = n + 1 return n end))) end)]])
    assert.same({ "1", "1", "1", "1", "1" }, several(stage, 5))
  end)

  it("gives all of them its failure, or its error", function()
    local stage = stage_of("{}", [[local n = 0 plugin:hook("accept_recipient", function()
      return mail.reject(nil, text(cache:get("k", function() mail.sleep(0.01) n = n + 1 return nil, "down" .. n, "io" end))) end)]])
    assert.same({ "nil down1 io", "nil down1 io", "nil down1 io" }, several(stage, 3))
    stage = stage_of("{}", [[local n = 0 plugin:hook("accept_recipient", function()
      return mail.reject(nil, text(select(2, pcall(cache.get, cache, "k", function() mail.sleep(0.01) n = n + 1 error("broken" .. n, 0) end)))) end)]])
    assert.same({ "broken1", "broken1", "broken1" }, several(stage, 3))
    assert.equal("broken2", several(stage, 1)[1])
  end)

  it("lets one of those who wait load when the session that loads goes", function()
    local stage = stage_of("{}", [[local n = 0 plugin:hook("accept_recipient", function()
      return mail.reject(nil, text(cache:get("k", function() n = n + 1 local mine = n mail.sleep(0.02) return mine end))) end)]])
    local asked = {}
    for i = 1, 4 do asked[i] = stage:ask { hook = "accept_recipient", address = "bob@example.test" } end
    asked[1]:cancel()
    asked[3]:cancel()
    stage:run(10000)
    assert.equal("2", asked[2]:answer().text)
    assert.equal("2", asked[4]:answer().text)
  end)

  it("does not wait for a loader whose session went while it ran in a coroutine of the plugin's own", function()
    local stage = stage_of("{}", [[local n = 0 plugin:hook("accept_recipient", function()
      n = n + 1
      if n == 1 then return coroutine.wrap(function() cache:get("k", function() mail.sleep(60) end) end)() end
      return mail.reject(nil, cache:get("k", function() return "mine" end)) end)]])
    local asked = stage:ask { hook = "accept_recipient", address = "bob@example.test" }
    stage:spin(2)
    asked:cancel()
    assert.equal("mine", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)

  it("leaves nothing when everybody goes, or the worker ends", function()
    local body = [[plugin:hook("accept_recipient", function() cache:get("k", function() mail.sleep(60) end) end)]]
    local stage = stage_of("{}", body)
    for _ = 1, 3 do
      local asked = stage:ask { hook = "accept_recipient", address = "bob@example.test" }
      stage:spin(2)
      asked:cancel()
    end
    for _ = 1, 3 do stage:ask { hook = "accept_recipient", address = "bob@example.test" } end
    assert.equal(3, stage:numbers().running)
    stage:close()
  end)

  it("says so when a loader asks for its own key", function()
    assert.matches('the loader of "k" asks for the same key',
      value("{}", [[return select(2, pcall(cache.get, cache, "k", function() return cache:get("k", function() end) end))]]))
    assert.equal("2", value("{}", [[return cache:get("k", function() return cache:get("other", function() return 2 end) end)]]))
  end)

  it("works while the plugin loads, where nothing waits", function()
    local stage = stage_of("{ size = 2 }", [[local v = cache:get("k", function() return "early" end)
      plugin:hook("accept_recipient", function() return mail.reject(nil, v .. cache:get("k")) end)]])
    assert.equal("earlyearly", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)

  it("looks long keys up each time, and refuses to keep them", function()
    assert.equal("1 2 nil", value("{}", [[
      local n, long = 0, ("k"):rep(1025)
      local function loader() n = n + 1 return n end
      return cache:get(long, loader), cache:get(long, loader), cache:get(long)]]))
    assert.matches("at most 1024 octets", value("{}", [[return select(2, pcall(cache.set, cache, ("k"):rep(1025), 1))]]))
  end)

  for call, text in pairs {
    ["mail.cache { size = 0 }"] = "size is a number of entries, 1 to 1000000",
    ["mail.cache { ttl = -1 }"] = "seconds, 0 to ten years",
    ["mail.cache { tll = 1 }"] = "unknown option tll; did you mean ttl%?",
    ['mail.cache{}:get("k", 1)'] = "function expected",
    ['mail.cache{}:set("k")'] = "cache:delete removes",
    ['mail.cache{}.get("k")'] = "write cache:get%(...%), with a colon",
  } do
    it("does not load with " .. call, function()
      local stage, err = script.try { plugins = { one = 'local mail = require "moonpost"\n' .. call } }
      assert.is_nil(stage)
      assert.matches(text, err)
    end)
  end
end)
