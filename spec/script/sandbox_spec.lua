-- luacheck: no max line length
local script = require "spec.support.script"

---Run the expression in a hook; its value as text.
local function value(text, setup)
  local stage = script.plugin(('plugin:hook("accept_recipient", function(session) return mail.reject(nil, tostring((function() %s end)())) end)')
    :format(text), setup)
  return script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text
end

describe("the sandbox", function()
  after_each(script.clean)

  it("has no way to files, processes, code and the debugger", function()
    assert.equal("", value [[
      local there = {}
      for _, name in ipairs { "io", "debug", "load", "loadfile", "dofile", "loadstring", "package",
        "collectgarbage" } do if _G[name] ~= nil then there[#there + 1] = name end end
      for _, name in ipairs { "execute", "exit", "remove", "rename", "getenv", "tmpname", "setlocale" } do
        if os[name] ~= nil then there[#there + 1] = "os." .. name end end
      if string.dump then there[#there + 1] = "string.dump" end
      return table.concat(there, " ")]])
  end)

  it("has what computes: math, string, table, utf8, coroutine, os.time", function()
    assert.equal("true", value "return math.max and string.rep and table.sort and utf8.char and coroutine.wrap and os.time and true")
  end)

  it("does not show the shared string methods", function()
    assert.equal("false", value [[return getmetatable("")]])
    assert.equal("false", value [[return (pcall(setmetatable, "", {}))]])
  end)

  it("does not show the insides of its objects", function()
    for _, object in ipairs { "session", "mail.reject()", "plugin" } do
      assert.equal("false", value("return getmetatable(" .. object .. ")"))
    end
  end)

  it("keeps plugins apart: changed libraries and globals stay their own", function()
    local stage = script.new { plugins = {
      one = "string.upper = nil; leaked = 5; require('moonpost').reject = nil",
      two = [[local plugin, mail = ..., require "moonpost"
        plugin:hook("accept_recipient", function()
          return mail.reject(nil, tostring(leaked) .. string.upper("x")) end)]],
    } }
    assert.equal("nilX", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)

  it("writes what a plugin prints to the log", function()
    value [[print("hello", 5, nil)]]
    assert.matches("hello 5 nil plugin=one", script.log())
  end)

  it("stops a plugin that eats memory, and the worker goes on", function()
    local stage = script.plugin([[plugin:hook("accept_recipient", function(_, r)
      if r.localpart ~= "bomb" then return mail.reject(nil, "fine") end
      local t = {} while true do t[#t + 1] = ("x"):rep(100000) .. #t end end)]],
      { extra = "lua = { memory = 8 * 1024 * 1024, cpu = 10 }" })
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bomb@example.test" })
    assert.equal("tempfail", answer.kind)
    assert.matches("not enough memory", script.log())
    answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" })
    assert.equal("fine", answer.text)
    assert.is_true(stage:numbers().memory < 8 * 1024 * 1024)
  end)

  it("requires modules of the plugin's own folder, once, in its environment", function()
    local folder = script.folder()
    os.execute(("mkdir -p '%s/plugins/big/sub'"):format(folder))
    script.write(folder .. "/plugins/big/helper.lua", "count = (count or 0) + 1 return { n = count, io = io }")
    script.write(folder .. "/plugins/big/sub/init.lua", "return require('helper')")
    script.write(folder .. "/plugins/big/init.lua", [[local plugin, mail = ..., require "moonpost"
      plugin:hook("accept_recipient", function()
        return mail.reject(nil, require("helper").n .. tostring(require("sub").n) .. tostring(require("helper").io)) end)]])
    local stage = script.new { folder = folder, list = '"big"' }
    assert.equal("11nil", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)

  it("requires nothing else", function()
    assert.matches('there is no module "lfs"', value "return select(2, pcall(require, 'lfs'))")
    assert.matches("is not a module name", value "return select(2, pcall(require, '../../etc/x'))")
  end)

  it("is open for a trusted plugin", function()
    local stage = script.new { plugins = { one = [[local plugin, mail = ..., require "moonpost"
      plugin:hook("accept_recipient", function() return mail.reject(nil, type(io.open) .. type(require "os")) end)]] },
      list = '{ "one", trusted = true }' }
    assert.equal("functiontable", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)
end)
