local script = require "spec.support.script"

local CONNECT, COMMAND, DISCONNECT = 0, 1, 9

describe("observers", function()
  after_each(script.clean)

  it("see events after the session went on, with a copy of what was known", function()
    local stage = script.plugin [[
      plugin:hook("on_command", function(session, event)
        mail.sleep(0.01)
        mail.log.info("seen", { line = event.line, who = session.user, ip = session.remote.ip }) end)]]
    assert.is_true(stage:numbers().wants_lines)
    local session = stage:session { user = "alice@example.test" }
    stage:event(session, COMMAND, "NOOP")
    assert.is_nil(script.log():find("seen"))
    session:close()
    stage:spin(50)
    local log = script.log()
    assert.matches("line=NOOP", log)
    assert.matches("who=alice@example.test", log)
    assert.matches("ip=192.0.2.1", log)
  end)

  it("disturb nobody with their errors, which are logged", function()
    local stage = script.plugin [[
      plugin:hook("on_disconnect", function() error("oops") end)
      plugin:hook("on_disconnect", function() mail.log.info("second") end)]]
    local session = stage:session()
    stage:event(session, CONNECT)
    stage:event(session, DISCONNECT)
    session:close()
    stage:spin(20)
    local log = script.log()
    assert.matches("plugin failed plugin=one hook=on_disconnect", log)
    assert.matches("second", log)
    assert.is_false(stage:numbers().wants_lines)
  end)

  it("are forgotten when the worker ends", function()
    local stage = script.plugin [[plugin:hook("on_connect", function() mail.sleep(5) end)]]
    local session = stage:session()
    stage:event(session, CONNECT)
    stage:spin(5)
    stage:event(session, CONNECT)
    assert.equal(2, stage:numbers().running)
    session:close()
  end)
end)
