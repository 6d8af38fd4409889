-- check and version.
local server = require "spec.support.server"
local dkjson = require "dkjson"

describe("moonpost check", function()
  local s

  before_each(function() s = server.start { start = false, users = {} } end)
  after_each(function() s:discard() end)

  it("says that a good configuration is good", function()
    local code, output = s:command { "check" }
    assert.equal(0, code, output)
    assert.is_truthy(output:find("is good: 5 listeners", 1, true), output)
  end)

  it("names file, line and key of what is wrong", function()
    s:configure { worker = 2 }
    local code, output = s:command { "check" }
    assert.equal(78, code)
    assert.is_truthy(output:find("moonpost check: [^\n]*moonpost.lua:%d+: worker: [^\n]*workers"), output)
    code, output = s:command { "check", "--json" }
    assert.equal(78, code)
    assert.is_false(dkjson.decode((output:match("%b{}"))).ok)
  end)

  it("reads certificates", function()
    local file = assert(io.open(s.dir .. "/no.pem", "w"))
    file:write("not a certificate\n")
    file:close()
    s:configure { tls = { certificates = { { chain = s.dir .. "/no.pem", key = s.tls .. "/server.key" } } } }
    local code, output = s:command { "check" }
    assert.equal(78, code)
    assert.is_truthy(output:find("no.pem", 1, true), output)
  end)

  it("loads plugins", function()
    local file = assert(io.open(s.dir .. "/broken.lua", "w"))
    file:write("local plugin = ...\nplugin:hook('no_such_hook', function() end)\n")
    file:close()
    s:configure { plugins = { s.dir .. "/broken.lua" } }
    local code, output = s:command { "check" }
    assert.equal(78, code)
    assert.is_truthy(output:find("broken.lua:2", 1, true), output)
  end)
end)

describe("moonpost version", function()
  it("prints the version for people and for machines", function()
    local code, output = server.run { server.binary, "version" }
    assert.equal(0, code)
    assert.is_truthy(output:find("^moonpost %d+%.%d+%.%d+\n"), output)
    code, output = server.run { server.binary, "version", "--json" }
    assert.equal(0, code)
    assert.is_truthy(dkjson.decode(output).version:find("^%d+%.%d+%.%d+$"))
    assert.equal(0, (server.run { server.binary, "--version" }))
  end)
end)
