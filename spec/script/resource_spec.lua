-- luacheck: no max line length
local script = require "spec.support.script"

local FILES = { list = '{ "one", options = { path = "data" } }' }
local HEAD = [[local file, p = mail.file, plugin:options { path = { "file" } }.path
  local kept
]]

describe("what plugins hold at the end", function()
  after_each(function() script.clean() end)

  local function take(stage)
    assert.equal("taken", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end

  it("is logged with plugin, kind, file and line", function()
    local stage = script.plugin(HEAD .. 'plugin:hook("accept_recipient", function()\nfile.mkdir(p)\nkept = assert(file.lock(p .. "/l")) return mail.reject(nil, "taken") end)', FILES)
    take(stage)
    assert.matches('plugin leak plugin=one what=lock where=%S+one%.lua:6 why="still open at the end; close it in on_stop"', script.clean(true))
  end)

  it("is let go in on_stop, or by the garbage collection", function()
    local stage = script.plugin(HEAD .. [[
      plugin:hook("accept_recipient", function()
        file.mkdir(p)
        kept = assert(file.lock(p .. "/kept"))
        assert(file.lock(p .. "/dropped"))
        local closed <close> = assert(file.lock(p .. "/closed"))
        return mail.reject(nil, "taken") end)
      plugin:hook("on_stop", function() kept:close() end)]], FILES)
    take(stage)
    stage:stop()
    stage:run()
  end)

  it("is no leak in a worker that was cut off before on_stop", function()
    local stage = script.plugin(HEAD .. [[plugin:hook("accept_recipient", function()
      file.mkdir(p) kept = assert(file.lock(p .. "/l")) return mail.reject(nil, "taken") end)]], FILES)
    stage:start()
    take(stage)
  end)

  it("may be background work, timers' runs, and observers: they end with the worker", function()
    local stage = script.plugin [[
      mail.spawn(mail.sleep, 60)
      plugin:every(60, function() mail.sleep(60) end, { on = "all workers", now = true })
      plugin:hook("on_connect", function() mail.sleep(60) end)]]
    stage:start()
    local session = stage:session()
    stage:event(session, 0)
    stage:spin(20)
    assert.equal(3, stage:numbers().running)
    session:close()
  end)

  it("fails the spec that left it, in process", function()
    local stage = script.plugin(HEAD .. [[plugin:hook("accept_recipient", function()
      file.mkdir(p) kept = assert(file.lock(p .. "/l")) return mail.reject(nil, "taken") end)]], FILES)
    take(stage)
    assert.error_matches(script.clean, "plugin leak")
  end)
end)

describe("a call whose session is gone", function()
  after_each(script.clean)

  it("is told with its function and where it waits", function()
    local stage = script.plugin 'plugin:hook("mailbox", { open = function() end, append = function()\nmail.sleep(60) end })'
    local delivery = stage:deliver(stage:session(), { "bob@example.test" }, "Subject: x\r\n\r\n")
    stage:spin(5)
    local log = script.clean(true)
    assert.matches('plugin leak plugin=one what="a call of a session that is gone" hook=mailbox function=%S+one%.lua:2 where=%S+one%.lua:3 session=%w+', log)
    assert.is_truthy(delivery)
  end)
end)
