local script = require "spec.support.script"

local MESSAGE = "Subject: x\r\n\r\nFrom me\r\n>From you\r\nend\r\n"

describe("archive", function()
  local stage, session, folder

  local function start(archive_options)
    stage = script.new { list = ([["mailbox_memory", { "archive", options = { path = "archive" %s } }]])
      :format(archive_options or "") }
    folder = script.last_folder
    session = stage:session { service = "pop3" }
    script.deliver(stage, session, { "alice@example.test" }, MESSAGE)
  end

  local function delete()
    local drop = script.open(stage, session, "alice@example.test")
    local answer = script.ask(stage, { hook = "on_delete", session = session, maildrop = drop })
    drop:close()
    stage:spin(10)
    return answer
  end

  after_each(function()
    session:close()
    script.clean()
  end)

  it("appends the message to an mbox, quoted, and lets it be deleted", function()
    start()
    assert.equal("none", delete().kind)
    assert.equal("none", delete().kind)
    local text = script.read(folder .. "/archive/alice@example.test.mbox")
    local one = "\nSubject: x\n\n>From me\n>>From you\nend\n\n"
    local date = "From MAILER%-DAEMON %a%a%a %a%a%a [ %d]%d %d%d:%d%d:%d%d %d%d%d%d"
    assert.matches("^" .. date .. one .. date .. one .. "$", text)
  end)

  it("keeps the message when it cannot be archived", function()
    start()
    script.write(folder .. "/archive", "a file where a folder should be")
    local answer = delete()
    assert.equal("keep", answer.kind)
    assert.matches("cannot be archived", script.log())
  end)

  it("leaves mailboxes alone that are not named", function()
    start ', mailboxes = { "bob@example.test" }'
    assert.equal("none", delete().kind)
    assert.is_nil(script.read(folder .. "/archive/alice@example.test.mbox"))
  end)
end)
