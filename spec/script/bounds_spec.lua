-- luacheck: no max line length
local script = require "spec.support.script"

---Run the expression in a hook; its value as text.
local function value(text)
  local stage = script.plugin(('plugin:hook("accept_recipient", function() return mail.reject(nil, tostring((function() %s end)())) end)')
    :format(text))
  return script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text
end

local function refused(text)
  return value("local ok, err = pcall(function() " .. text .. " end) return ok and 'done' or err")
end

describe("the bounded library", function()
  after_each(script.clean)

  it("refuses what would run in C for ever", function()
    assert.matches("more than 1000000 elements", refused "table.move({}, 1, 1e15, 2)")
    assert.matches("more than 1000000 elements", refused "table.move({}, math.mininteger, math.maxinteger, 2)")
    assert.matches("more than 1000000 elements", refused "table.concat(setmetatable({}, { __index = type }), '', 1, 1e15)")
    assert.matches("more than 1000000 elements", refused "table.concat(setmetatable({}, { __len = function() return 1e15 // 1 | 0 end }))")
    assert.matches("metamethod __len", refused "table.insert(setmetatable({}, { __len = function() return 1 << 50 end }), 1, 2)")
    assert.matches("metamethod __len", refused "table.remove(setmetatable({}, { __len = function() return 1 << 50 end }), 1)")
    assert.matches("__gc is for trusted plugins", refused "setmetatable({}, { __gc = function() while true do end end })")
    assert.matches("__gc is for trusted plugins", refused "setmetatable({}, { __gc = true })")
    assert.equal("", value "return ('').rep('', 1e15 // 1 | 0)")
  end)

  it("asks for a length once", function()
    assert.equal("ab", value [[local n = 0
      return table.concat(setmetatable({ "a", "b" }, { __len = function() n = n + 1 return n == 1 and 2 or 1 << 50 end }))]])
  end)

  it("works as ever within the bounds", function()
    assert.equal("1,2,3", value "local t = { 2 } table.insert(t, 1, 1) table.insert(t, 3) return table.concat(t, ',')")
    assert.equal("2,3", value "local t = { 1, 2, 3 } table.remove(t, 1) return table.concat(t, ',')")
    assert.equal("b", value "return table.concat({ 'a', 'b' }, '', 2)")
    assert.equal("x1,2", value "return 'x' .. table.concat(table.move({ 1, 2 }, 1, 2, 1, {}), ',')")
    assert.equal("a.a", value "return ('a'):rep(2, '.')")
    assert.equal("5", value "return setmetatable({}, { __index = { a = 5 } }).a")
    assert.equal("nil", value "return getmetatable(setmetatable(setmetatable({}, {}), nil))")
    assert.equal("true1 2", value "local ok, a, b = pcall(function(...) return ... end, 1, 2) return tostring(ok) .. a .. ' ' .. b")
    assert.equal("falsex", value "local ok, a = pcall(error, 'x') return tostring(ok) .. a")
  end)

  it("lets a hook wait inside of pcall", function()
    assert.equal("true5", value "local ok, a = pcall(function() mail.sleep(0.01) return 5 end) return tostring(ok) .. a")
    assert.equal("falsex", value "local ok, a = pcall(function() mail.sleep(0.01) error('x', 0) end) return tostring(ok) .. a")
  end)

  it("refuses pcall in a depth where an error would not come back in time", function()
    assert.equal("true", value [[local function down(n) if n > 0 then return (down(n - 1)) end return pcall(error) end
      return not pcall(down, 2000) and (pcall(down, 500))]])
  end)
end)
