-- Who the processes run as when the server is started by root.
local server = require "spec.support.server"

local function as_root()
  local pipe = assert(io.popen("id -u"))
  local id = pipe:read("l")
  pipe:close()
  return id == "0"
end

local function status(pid)
  local file = assert(io.open("/proc/" .. pid .. "/status"))
  local text = file:read("a")
  file:close()
  return text
end

describe("privileges", function()
  it("are no new ones for workers and store", function()
    local s = server.start()
    for _, word in ipairs { "store", "worker" } do
      assert.is_truthy(status(s:pids(word)[1]):find("NoNewPrivs:%s+1"), word)
    end
    s:stop()
  end)

  it("of root are dropped where the configuration names a user; the data is that user's", function()
    if not as_root() then return pending("needs root") end
    local s = server.start { start = false, users = {} }
    os.execute("chmod 755 '" .. s.dir .. "'")
    -- The source tree may lie where nobody but root can read, as below /root.
    s.data = s.dir .. "/data"
    os.execute(("mkdir '%s' && cp -r lua plugins '%s'"):format(s.data, s.data))
    s:configure { user = "nobody" }
    assert.equal(0, (s:command({ "user", "add", "bob@example.test" }, "bob-secret\n")))
    s.users = { ["bob@example.test"] = "bob-secret" }
    s:launch()
    for _, word in ipairs { "store", "worker" } do
      assert.is_truthy(status(s:pids(word)[1]):find("Uid:%s+65534%s+65534%s+65534%s+65534"), word)
      assert.is_truthy(status(s:pids(word)[1]):find("Groups:%s+%d+ ?\n"), word)
    end
    assert.is_true((s:deliver("x@y.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n")))
    assert.is_truthy(s:maildrop("bob@example.test"):ask("STAT"):find("^%+OK 1 "))
    s:stop()
  end)

  it("to no known user are an error that says what to do", function()
    if not as_root() then return pending("needs root") end
    local s = server.start { start = false, users = {} }
    s:configure { user = "no-such-user" }
    local code, output = server.run({ server.binary, "run", "-c", s.config_file }, nil, nil, 10)
    assert.equal(78, code)
    assert.is_truthy(output:find("no user \"no-such-user\"", 1, true), output)
    s:discard()
  end)
end)
