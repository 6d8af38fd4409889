-- luacheck: no max line length
local script = require "spec.support.script"

local QUESTION = { hook = "accept_recipient", address = "bob@example.test" }

describe("mail.spawn", function()
  after_each(script.clean)

  it("works on when the hook has answered and its session is gone", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function(session)
      mail.spawn(function(a, b) mail.sleep(0.02) mail.log.info("worked", { sum = a + b }) end, 3, 4)
      return mail.reject(nil, session.id) end)]]
    local session = stage:session()
    local question = { hook = "accept_recipient", address = "bob@example.test", session = session }
    local id = script.ask(stage, question).text
    session:close()
    assert.equal(1, stage:numbers().running)
    stage:spin(200)
    assert.matches("worked plugin=one session=" .. id .. " sum=7", script.log())
    assert.equal(0, stage:numbers().running)
  end)

  it("gives a handle that tells whether it runs, and cancels it", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function()
      local work = mail.spawn(function()
        local x <close> = setmetatable({}, { __close = function() mail.log.info("released") end })
        mail.sleep(60) end)
      local quick = mail.spawn(function() end)
      mail.sleep(0.01)
      local before = work.running
      work:cancel()
      work:cancel()
      return mail.reject(nil, ("%s %s %s %s"):format(before, work.running, quick.running, select(2, pcall(function() return work.x end)))) end)]]
    assert.matches('^true false false .*background work has no "x"; there are running and cancel', script.ask(stage, QUESTION).text)
    assert.matches("released", script.log())
    assert.equal(0, stage:numbers().running)
  end)

  it("may cancel itself: it ends where it next waits", function()
    local stage = script.plugin [[
      local me
      me = mail.spawn(function() mail.sleep(0) me:cancel() mail.log.info("still") mail.sleep(0) mail.log.info("too far") end)]]
    stage:spin(20)
    local log = script.log()
    assert.matches("still", log)
    assert.is_nil(log:find("too far"))
    assert.equal(0, stage:numbers().running)
  end)

  it("begins while the plugin loads, and ends with the worker", function()
    local stage = script.plugin [[mail.spawn(function()
      local x <close> = setmetatable({}, { __close = function() mail.log.info("released") end })
      mail.log.info("begun") mail.sleep(60) end)]]
    stage:spin(5)
    stage:close()
    assert.matches("begun plugin=one.*released", script.log())
  end)

  it("logs errors with the function's place and the session", function()
    local stage = script.plugin 'plugin:hook("accept_recipient", function()\nmail.spawn(function() error("broken") end) end)'
    script.ask(stage, QUESTION)
    stage:spin(5)
    assert.matches("plugin failed plugin=one hook=spawn function=%S+one%.lua:3 session=%S+ error=.-one%.lua:3: broken", script.log())
  end)

  it("has limits of its own: how many, how long", function()
    local stage = script.plugin([[plugin:hook("accept_recipient", function()
      local a, b = mail.spawn(mail.sleep, 60), mail.spawn(mail.sleep, 60)
      local none, why, word = mail.spawn(mail.sleep, 60)
      return mail.reject(nil, ("%s %s %s %s %s"):format(a.running, b.running, none, why, word)) end)]],
      { extra = "lua = { background_calls = 2, background_wall = 0.05 }" })
    assert.equal("true true nil mail.spawn: 2 background calls run already (lua.background_calls) limit",
      script.ask(stage, QUESTION).text)
    stage:spin(300)
    assert.matches("no answer after 50 ms %(lua%.background_wall%)", script.log())
    assert.equal(0, stage:numbers().running)
  end)

  it("is stopped when it computes too long #slow", function()
    local stage = script.plugin([[plugin:hook("accept_recipient", function() mail.spawn(function() while true do end end) end)]],
      { extra = "lua = { background_cpu = 0.1 }" })
    script.ask(stage, QUESTION)
    for _ = 1, 100 do
      if stage:numbers().running == 0 then break end
      stage:spin(20)
    end
    assert.matches("it computed for more than 100 ms %(lua%.background_cpu%)", script.log())
  end)

  it("says what it wants", function()
    local stage = script.plugin [[plugin:hook("accept_recipient", function()
      return mail.reject(nil, select(2, pcall(mail.spawn, 5))) end)]]
    assert.matches("function expected, got number", script.ask(stage, QUESTION).text)
  end)
end)
