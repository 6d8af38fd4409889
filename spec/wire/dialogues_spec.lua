-- The lessons of spec/dialogues on real sockets: in clear, upgraded, over TLS; line by line, octet by
-- octet, all at once.
local dialogue = require "spec.support.dialogue"
local pop3 = require "spec.support.pop3"
local server = require "spec.support.server"

local transports = { "clear", "upgraded", "implicit" }
local modes = { "line", "byte", "all" }

---What the server of this spec is like; a dialogue that wants anything else is held in process only.
local settings = { service = true, tls = true, tls_available = true, require_auth = true }

---Whether this dialogue can be held that way: it may do its own upgrade, or need other settings.
local function fits(script, transport)
  local o = script.options
  for name in pairs(o) do
    if not settings[name] then return false end
  end
  for _, step in ipairs(script.steps) do
    if step.kind == "TLS" and transport ~= "clear" then return false end
  end
  if o.tls then return transport ~= "clear" end
  return transport ~= "implicit" or not script.path:find("smtp_", 1, true)
end

describe("SMTP on the wire:", function()
  local s

  setup(function()
    s = server.start { users = { ["alice@example.test"] = "alice", ["bob@example.test"] = "bob" } }
  end)
  teardown(function() s:stop() end)

  local function connect(script, transport)
    if transport == "implicit" then return s:connect("submissions") end
    local c = s:connect(script.options.service or "mta")
    if transport == "clear" then return c end
    local greeting = c:line()
    c:command("EHLO upgrade.example")
    assert.equal(220, (c:command("STARTTLS")))
    assert(c:starttls())
    c:unread(greeting)               -- the dialogue begins with it
    return c
  end

  for _, script in ipairs(dialogue.all("smtp_")) do
    for _, transport in ipairs(transports) do
      for _, mode in ipairs(modes) do
        if fits(script, transport) then
          it(("%s (%s, %s)"):format(script.title, transport, mode), function()
            local c = connect(script, transport)
            dialogue.run(script, c, mode)
            c:close()
          end)
        end
      end
    end
  end
end)

describe("POP3 on the wire:", function()
  local s

  setup(function() s = server.start { users = { ["kcope@example.test"] = "secret" } } end)
  teardown(function() s:stop() end)

  ---A maildrop with a message of 120 octets and one of 200.
  local function fill()
    local box = s.dir .. "/two"
    if not require("spec.support.tree").exists(box) then
      assert(os.execute(("mkdir -p '%s/new' '%s/cur' '%s/tmp'"):format(box, box, box)))
      for i, octets in ipairs { 120, 200 } do
        local file = assert(io.open(("%s/new/100%d.M%dP1.host"):format(box, i, i), "wb"))
        file:write((pop3.message(octets):gsub("\r\n", "\n")))
        file:close()
      end
    end
    local code, output = s:command { "mailbox", "purge", "kcope@example.test", "--yes" }
    assert.is_true(code == 0 or output:find("there is no mailbox", 1, true) ~= nil, output)
    code, output = s:command { "mailbox", "import", "kcope@example.test", box }
    assert.equal(0, code, output)
  end

  local function connect(transport)
    if transport == "implicit" then return s:connect("pop3s") end
    local c = s:connect("pop3")
    if transport == "clear" then return c end
    local greeting = c:line()
    assert.is_truthy(c:ask("STLS"):find("^%+OK"))
    assert(c:starttls())
    c:unread(greeting)               -- the dialogue begins with it
    return c
  end

  for _, script in ipairs(dialogue.all("pop3_")) do
    for _, transport in ipairs(transports) do
      for _, mode in ipairs(modes) do
        if fits(script, transport) then
          it(("%s (%s, %s)"):format(script.title, transport, mode), function()
            fill()
            local c = connect(transport)
            dialogue.run(script, c, mode)
            c:close()
          end)
        end
      end
    end
  end
end)
