local script = require "spec.support.script"

local CONNECT, COMMAND, TLS, DISCONNECT, STORED, ERROR = 0, 1, 4, 9, 10, 11

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

  it("see TLS and mistakes, with all that is known of a session that is gone", function()
    local stage = script.plugin [[
      plugin:hook("on_tls", function(session, event) mail.log.info("tls", { name = session.tls.server_name, line = event.line }) end)
      plugin:hook("on_error", function(session, event) mail.log.info("mistake", { line = event.line }) end)]]
    local session = stage:session { tls = true, server_name = "mx.example.test" }
    stage:event(session, TLS, "TLSv1.3")
    stage:event(session, ERROR, "500 5.5.1 What")
    session:close()
    stage:spin(20)
    local log = script.log()
    assert.matches("tls plugin=one.*name=mx%.example%.test", log)
    assert.matches('mistake plugin=one [^\n]*line="500 5%.5%.1 What"', log)
  end)

  it("see what was stored: mailbox, uid, size, session", function()
    local stage = script.plugin [[
      plugin:hook("on_stored", function(mailbox, uid, size, session)
        mail.log.info("stored", { what = ("%s %s %d %s"):format(mailbox, tostring(uid), size, session.user) }) end)]]
    local session = stage:session { user = "alice@example.test" }
    stage:event(session, STORED, "bob@example.test", 7, 500)
    stage:event(session, STORED, "bob@example.test", 0, 500)
    session:close()
    stage:spin(20)
    local log = script.log()
    assert.matches('what="bob@example%.test 7 500 alice@example%.test"', log)
    assert.matches('what="bob@example%.test nil 500 alice@example%.test"', log)
  end)
end)
