-- Reload: the new configuration is tried before the old one ends.
local server = require "spec.support.server"
local socket = require "socket"

local function connects(port)
  local c = socket.connect("127.0.0.1", port)
  if not c then return false end
  c:settimeout(2)
  local line = c:receive("*l")
  c:close()
  return line ~= nil
end

describe("a reload", function()
  local s

  before_each(function() s = server.start { config = { workers = 1 } } end)
  after_each(function() s:stop() end)

  local function listeners(services)
    local list = {}
    for _, service in ipairs(services) do
      list[#list + 1] = { service = service, address = { "127.0.0.1:" .. s.ports[service] } }
    end
    return { listeners = list }
  end

  it("opens new listeners and closes those that are gone", function()
    s:configure(listeners { "mta" })
    local code, output = s:command { "reload" }
    assert.is_true(code == 0, output)
    assert.is_true(connects(s.ports.mta))
    assert.is_false(connects(s.ports.pop3))
    s:configure(listeners { "mta", "pop3" })
    assert.equal(0, (s:command { "reload" }))
    assert.is_true(connects(s.ports.pop3))
  end)

  it("never closes a listener that stays", function()
    for i = 1, 5 do
      s:configure { smtp = { banner = "generation " .. i } }
      s:signal("HUP")
      for _ = 1, 5 do assert.is_true(connects(s.ports.mta)) end
      assert.is_truthy(s:wait_log("configuration reloaded generation=" .. i + 1))
    end
  end)

  it("lets running sessions finish with the old configuration", function()
    local c = s:connect("mta")
    c:reply()
    s:configure { smtp = { max_message_octets = 70000 } }
    assert.equal(0, (s:command { "reload" }))
    local _, text = c:command("EHLO client.example")
    assert.is_nil(text:find("SIZE 70000", 1, true))
    local new = s:connect("mta")
    new:reply()
    _, text = new:command("EHLO client.example")
    assert.is_truthy(text:find("SIZE 70000", 1, true))
    assert.equal(221, (c:command("QUIT")))
    new:close()
  end)

  it("ends old sessions after reload_grace", function()
    s:configure { reload_grace = 0.2 }
    assert.equal(0, (s:command { "reload" }))
    local c = s:connect("mta")
    c:reply()
    assert.equal(0, (s:command { "reload" }))
    assert.equal(421, (c:reply()))
    assert.is_true(c:closed())
  end)

  it("keeps the old configuration when the new one is wrong, and says why", function()
    s:configure { hostnam = "x" }
    local code, output = s:command { "reload" }
    assert.equal(78, code, output)                 -- the command reads it too
    s:signal("HUP")
    assert.is_truthy(s:wait_log("reload failed, the old configuration stays[^\n]*hostnam"))
    assert.is_true(connects(s.ports.mta))
  end)

  it("keeps the old configuration when a port is taken", function()
    local held = assert(socket.bind("127.0.0.1", 0))
    local _, port = held:getsockname()
    s:configure { listeners = { { service = "mta", address = { "127.0.0.1:" .. math.tointeger(tonumber(port)) } } } }
    local code, output = s:command { "reload" }
    held:close()
    assert.equal(1, code, output)
    assert.is_truthy(output:find("is in use", 1, true), output)
    assert.is_true(connects(s.ports.mta))
  end)

  it("keeps the old configuration when a plugin does not load", function()
    local file = assert(io.open(s.dir .. "/broken.lua", "w"))
    file:write("error('not today')\n")
    file:close()
    s:configure { plugins = { s.dir .. "/broken.lua" } }
    local code, output = s:command { "reload" }
    assert.equal(1, code, output)
    assert.is_truthy(output:find("not today", 1, true), output)
    assert.is_true(connects(s.ports.mta))
  end)

  it("says what only a restart can change", function()
    s:configure { store = { path = "elsewhere" } }
    s:signal("HUP")
    assert.is_truthy(s:wait_log("store.path: a reload cannot change it"))
  end)

  it("restarts the store when its settings changed", function()
    local old = s:pids("store")[1]
    s:configure { store = { max_batch_messages = 17 } }
    assert.equal(0, (s:command { "reload" }))
    local deadline = socket.gettime() + 5
    repeat
      socket.sleep(0.01)
      local now = s:pids("store")[1]
    until now and now ~= old or socket.gettime() > deadline
    assert.is_true((s:deliver("a@b.example", "bob@example.test", "Subject: x\r\n\r\nx\r\n")))
  end)

  it("changes the number of workers", function()
    s:configure { workers = 3 }
    assert.equal(0, (s:command { "reload" }))
    local dkjson = require "dkjson"
    local deadline = socket.gettime() + 5
    local serving, leaving
    repeat
      local _, output = s:command { "status", "--json" }
      serving, leaving = 0, 0
      for _, process in ipairs(dkjson.decode(output).processes) do
        if process.name:find("^worker") then
          if process.state == "serving" then serving = serving + 1 else leaving = leaving + 1 end
        end
      end
    until leaving == 0 or socket.gettime() > deadline
    assert.same({ 3, 0 }, { serving, leaving })
  end)
end)
