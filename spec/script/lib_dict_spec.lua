-- luacheck: no max line length
local mail_store = require "spec.support.store"
local script = require "spec.support.script"

describe("mail.dict", function()
  local server

  setup(function() server = mail_store.new() end)
  teardown(function() server:finish() end)
  after_each(script.clean)

  local count = 0

  ---A stage whose hook runs the text with a dictionary d; what it returns, as text.
  local function stage_of(text, options)
    count = count + 1
    return script.plugin(([[
      local d = mail.dict("d%d", %s)
      local function text(...)
        local t = table.pack(...)
        for i = 1, t.n do t[i] = tostring(t[i]) end
        return table.concat(t, " ")
      end
      plugin:hook("accept_recipient", function(session, r)
        return mail.reject(nil, text((function() %s end)()))
      end)]]):format(count, options or "nil", text), { store = server, extra = "dict = { max_key_octets = 40, max_value_octets = 64 }" })
  end
  local function run(stage)
    return script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text
  end
  local function value(text, options) return run(stage_of(text, options)) end

  for options, kind in pairs { ["nil"] = "in memory", ["{ durable = true }"] = "on disk" } do
    describe(kind, function()
      it("keeps strings, whole numbers and booleans as what they are", function()
        assert.equal("nil true true true true a integer false true", value([[
          local none = d:get("none")
          local a, b, c = d:set("s", "a"), d:set("n", 7), d:set("f", false)
          return none, a, b, c, d:set("e", ""), d:get("s"), math.type(d:get("n")), d:get("f"), d:get("e") == ""]], options))
      end)

      it("adds, counts, deletes, compares", function()
        assert.equal("true false 1 3 false 3 0 false true false true", value([[
          local a = d:add("k", 1)
          local b, there = d:add("k", 2)
          local sum = d:incr("k", 2)
          local c, number = d:incr("k", 1, nil, 3)
          local low = d:incr("k", -3)
          local wrong = d:cas("k", 1, "x")
          local right = d:cas("k", 0, "x")
          return a, b, there, sum, c, number, low, wrong, right, d:delete("none"), d:delete("k")]], options))
      end)

      it("lists by prefix, in pages", function()
        assert.equal("a1=1,a2=two| true a3=true| false", value([[
          d:set("a1", 1) d:set("a2", "two") d:set("a3", true) d:set("b", 1)
          local function show(list)
            local out = {}
            for i, e in ipairs(list) do out[i] = e.key .. "=" .. tostring(e.value) end
            return table.concat(out, ",") .. "|"
          end
          local one, more = d:list("a", 2)
          local two, rest = d:list("a", 2, "a2")
          return show(one), more, show(two), rest]], options))
      end)

      it("forgets after the time of set, or else its own", function()
        local o = options == "nil" and "{ ttl = 0.03 }" or "{ durable = true, ttl = 0.03 }"
        assert.equal("nil 1 1", value([[
          d:set("own", 1) d:set("long", 1, 3600) d:set("ever", 1, 0)
          while d:get("own") do mail.sleep(0.01) end
          return d:get("own"), d:get("long"), d:get("ever")]], o))
      end)
    end)
  end

  it("says what is wrong with a key or a value, with a word", function()
    assert.equal("limit limit type limit true", value [[
      d:set("s", "x") d:set("n", math.maxinteger)
      return select(3, d:get(("k"):rep(41))), select(3, d:set("k", ("v"):rep(65))), select(3, d:incr("s")),
        select(3, d:incr("n")), d:set(("k"):rep(40), ("v"):rep(64))]])
    assert.matches("the key has 41 octets, there may be 40 %(dict.max_key_octets%)", value [[return select(2, d:get(("k"):rep(41)))]])
    assert.matches("the value has 65 octets, there may be 64 %(dict.max_value_octets%)", value [[return select(2, d:set("k", ("v"):rep(65)))]])
  end)

  for call, text in pairs {
    ['d:set("k", {})'] = "make a string of it with mail.json",
    ['d:set("k", 1.5)'] = "numbers are whole ones",
    ['d:set("k")'] = "dict:delete removes",
    ['d:set("k", print)'] = "values are strings, whole numbers and booleans, not a function",
    ['d:set("k", 1, -1)'] = "seconds, 0 to ten years",
    ['d:set({}, 1)'] = "string expected, got table",
    ['d.set("k", 1)'] = "write dict:set%(...%), with a colon",
    ['d:cas("k", 1)'] = "value expected",
    ['d:list("", 1001)'] = "1 to 1000 entries",
    ['mail.dict("late")'] = "is called while the plugin loads",
  } do
    it("explains a mistake in " .. call, function()
      assert.matches(text, value("return select(2, pcall(function() " .. call .. " end))"))
    end)
  end

  for call, text in pairs {
    ['mail.dict("a b")'] = "a name is 1 to 64 letters",
    ['mail.dict("")'] = "a name is 1 to 64 letters",
    ['mail.dict("a", { durabel = true })'] = "unknown option durabel; did you mean durable%?",
    ['mail.dict("a", { full = "no" })'] = 'full is "evict"',
    ['mail.dict("a", { true })'] = "a value without a name",
    ['mail.dict("a"):set("k", 1)'] = "inside hooks only",
  } do
    it("does not load with " .. call, function()
      local stage, err = script.try { store = server, plugins = { one = 'local mail = require "moonpost"\n' .. call } }
      assert.is_nil(stage)
      assert.matches(text, err)
    end)
  end

  it("is a plugin's own, unless it is shared", function()
    local head = 'local plugin = ... local mail = require "moonpost" '
    local stage = script.new { store = server, list = '"first", "second"', extra = 'plugin_path = { "plugins" }', plugins = {
      first = head .. [[local own, common = mail.dict("own"), mail.dict("common", { shared = true })
        plugin:hook("accept_recipient", function() own:set("k", 1) common:set("k", 2) end)]],
      second = head .. [[local own, common = mail.dict("own"), mail.dict("common", { shared = true })
        plugin:hook("accept_recipient", function() return mail.reject(nil, tostring(own:get("k")) .. tostring(common:get("k"))) end)]],
    } }
    assert.equal("nil2", run(stage))
  end)

  it("fails with a text and a word when there is no store", function()
    local stage = script.plugin [[local d = mail.dict("d") plugin:hook("accept_recipient", function()
      local v, why, word = d:get("k") return mail.reject(nil, tostring(v) .. word .. why) end)]]
    assert.matches("nilstorethere is no store here", run(stage))
  end)

  it("drops a question whose session has gone, and one of a worker that ends", function()
    local stage = stage_of 'd:set("k", 1) mail.log.info("went on")'
    local asked = stage:ask { hook = "accept_recipient", address = "bob@example.test" }
    asked:cancel()
    stage:spin(30)
    assert.is_nil(script.log():find("went on"))
    stage:ask { hook = "accept_recipient", address = "bob@example.test" }
    stage:close()
  end)
end)

describe("mail.dict beside a store process that restarts", function()
  local server

  before_each(function() server = mail_store.new() end)
  after_each(function()
    script.clean()
    server:finish()
  end)

  it("says store, then works again: what is durable is there, the rest is empty", function()
    local stage = script.plugin([[
      local memory, disk = mail.dict("m"), mail.dict("d", { durable = true })
      plugin:hook("accept_recipient", function(_, r)
        if r.localpart == "set" then
          assert(memory:set("k", 1) and disk:set("k", 1))
          return mail.reject(nil, "set")
        end
        local value, why, word = memory:get("k")
        local _, _, changing = memory:incr("n")
        return mail.reject(nil, tostring(value) .. tostring(disk:get("k")) .. tostring(word) .. tostring(changing))
      end)]], { store = server })
    local function ask(who) return script.ask(stage, { hook = "accept_recipient", address = who .. "@example.test" }).text end
    assert.equal("set", ask "set")
    server:kill()
    assert.equal("nil1storestore", ask "get")
    server:start()
    local text
    repeat text = ask "get" until not text:find("store")
    assert.equal("nil1nilnil", text)
  end)
end)
