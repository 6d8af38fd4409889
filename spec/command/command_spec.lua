-- What all commands have in common: help, usage, exit codes, where the configuration is.
local server = require "spec.support.server"

describe("moonpost", function()
  local s

  setup(function() s = server.start { start = false, users = {} } end)
  teardown(function() s:discard() end)

  local function run(...)
    return server.run({ server.binary, ... })
  end

  it("lists its commands, each with help that says usage, options and exit codes", function()
    local code, output = run("--help")
    assert.equal(0, code)
    local count = 0
    for line in output:gmatch("\n  (%l[^\n]*)") do
      local words = {}
      for word in (line:match("^(.-)%s%s") or line):gmatch("%S+") do
        if word:find("^%l+$") then words[#words + 1] = word end
      end
      words[#words + 1] = "--help"
      local one, text = run(table.unpack(words))
      assert.equal(0, one, line)
      assert.is_truthy(text:find("^Usage: moonpost " .. table.concat(words, " ", 1, #words - 1)), text)
      assert.is_truthy(text:find("--config FILE", 1, true))
      assert.is_truthy(text:find("Exit codes:", 1, true))
      count = count + 1
    end
    assert.is_true(count >= 30, count .. " commands")
  end)

  it("answers wrong usage with 64 and says what to do", function()
    for _, case in ipairs {
      { {}, "Usage" },
      { { "bogus" }, "there is no command \"bogus\"" },
      { { "user" }, "user add" },
      { { "user", "add" }, "usage: moonpost user add NAME" },
      { { "user", "add", "a", "b" }, "\"b\" is too much" },
      { { "user", "list", "--bogus" }, "there is no option --bogus" },
      { { "user", "list", "--domain" }, "needs a value" },
      { { "user", "add", "x", "--json" }, "no --json" },
    } do
      local code, output = run(table.unpack(case[1]))
      assert.equal(64, code, output)
      assert.is_truthy(output:find(case[2], 1, true), output)
    end
  end)

  it("finds its configuration by -c in front and behind, and by $MOONPOST_CONFIG", function()
    assert.equal(0, (run("check", "-c", s.config_file)))
    assert.equal(0, (run("-c", s.config_file, "check")))
    assert.equal(0, (run("check", "--config=" .. s.config_file)))
    assert.equal(0, (server.run { "env", "MOONPOST_CONFIG=" .. s.config_file, server.binary, "check" }))
    local code, output = run("check", "-c", s.dir .. "/missing.lua")
    assert.equal(78, code)
    assert.is_truthy(output:find("missing.lua", 1, true), output)
  end)

  it("says 69 where a running server is needed", function()
    for _, command in ipairs { "status", "reload", "stop", "trace" } do
      local code, output = run(command, "-c", s.config_file)
      assert.equal(69, code, output)
      assert.is_truthy(output:find("no server runs", 1, true), output)
    end
  end)
end)
