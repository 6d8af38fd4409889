-- What README.md shows as code works as it stands there.
local server = require "spec.support.server"
local tree = require "spec.support.tree"

local text = tree.read("README.md")

---The first block of that language which has the words.
local function block(language, words)
  for body in text:gmatch("\n```" .. language .. "\n(.-\n)```") do
    if body:find(words, 1, true) then return body end
  end
  error("no block with " .. words)
end

local function recipient(s)
  local c = s:connect("mta")
  c:reply()
  c:command("EHLO client.example")
  c:command("MAIL FROM:<x@y.example>")
  local code, reply = c:command("RCPT TO:<bob@example.test>")
  c:close()
  return code, reply
end

describe("README.md", function()
  it("shows a first plugin that works, options and all", function()
    local plugin = block("lua", "We are closed")
    for _, case in ipairs { { 0, 24, 250 }, { 24, 0, 450 } } do
      local s = server.start {
        plugins = { office_hours = plugin },
        config = { plugins = { { "office_hours", options = { from = case[1], till = case[2] } }, "auth_users" } },
      }
      local code, reply = recipient(s)
      assert.equal(case[3], code, reply)
      if code == 450 then assert.is_truthy(reply:find("4.7.1 We are closed", 1, true), reply) end
      assert.is_truthy(s:maildrop("bob@example.test"))
      s:stop()
    end
  end)

  it("shows a configuration that `moonpost check` likes", function()
    local s = server.start { start = false, users = {} }
    local config = block("lua", "max_message_octets = 25"):gsub('user = "moonpost",', "")
      :gsub("/var/lib/moonpost", s.dir .. "/store")
    assert(os.execute(("mkdir %s/tls && cp %s/server.pem %s/tls/fullchain.pem && cp %s/server.key %s/tls/privkey.pem")
      :format(s.dir, s.tls, s.dir, s.tls, s.dir)))
    local file = assert(io.open(s.config_file, "w"))
    file:write(config)
    file:close()
    local code, output = s:command { "check" }
    assert.equal(0, code, output)
    s:discard()
  end)

  it("comes with a sample configuration that `moonpost check` likes", function()
    local s = server.start { start = false, users = {} }
    local file = assert(io.open(s.config_file, "w"))
    file:write((tree.read("bin/moonpost.lua"):gsub('user    = "moonpost",', "")))
    file:close()
    local code, output = s:command { "check" }
    assert.equal(0, code, output)
    s:discard()
  end)

  it("lists the commands that there are, and no other", function()
    local code, help = server.run { server.binary, "--help" }
    assert.equal(0, code)
    local from = text:find("## Command line", 1, true)
    local section = text:sub(from, text:find("\n## ", from + 4, true))
    local shown = {}
    for command in section:gmatch("\n| `([^`]+)` |") do
      shown[command] = true
      assert.is_truthy(help:find("\n  " .. command .. " ", 1, true), command)
    end
    for command in help:match("Commands:\n(.-)\n\n"):gmatch("  (%l[^\n]-)  ") do
      assert.is_true(shown[command], command)
    end
  end)
end)
