-- lua/meta/hooks.lua, mail.hooks() and what plugins can register are the same; every example works.
local script = require "spec.support.script"

---The blocks of the file: name, kind, arguments, verdicts, nil, example.
local function documented()
  local list, block = {}, nil
  for line in (script.read "lua/meta/hooks.lua"):gmatch("([^\n]*)\n") do
    local name = line:match("^%-%-%-hook: (%S+)$")
    local key, value = line:match("^%-%-%-(%l+): ?(.*)$")
    local code = line:match("^%-%-%-    (.*)$") or (block and line == "---" and block.example and "")
    if name then
      block = { name = name }
      list[#list + 1] = block
    elseif block and key and not block.example then
      block[key] = value
    elseif block and code then
      block.example = (block.example or "") .. code .. "\n"
    end
  end
  return list
end

---The rows of mail.hooks(), by name.
local function rows()
  script.plugin [[
    local lines = {}
    for _, hook in ipairs(mail.hooks()) do
      lines[#lines + 1] = table.concat({ hook.name, hook.kind, table.concat(hook.arguments, ", "),
        table.concat(hook.verdicts, ", "), hook.nothing, #hook.answers > 0 and "a" or "" }, "|")
    end
    print(table.concat(lines, "~"))
  ]]
  local list = {}
  for row in script.log():match('moonpost "?([^"\n]-)"? plugin=one'):gmatch("[^~]+") do
    local name, kind, arguments, verdicts, nothing, answers = row:match("^(.-)|(.-)|(.-)|(.-)|(.-)|(.*)$")
    assert.equal("a", answers, name)
    list[#list + 1] = { name = name, kind = kind, arguments = arguments, verdicts = verdicts, ["nil"] = nothing }
  end
  return list
end

-- What each example is asked, and what it must answer: kind of verdict, or a value of the answer.
local ATTACHED = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename=X.EXE\r\n\r\n--b--\r\n"
local asked = {
  accept_connection = { { session = { ip = "192.0.2.1" } }, "reject" },
  accept_helo = { { name = "MAIL.example.test" }, "reject" },
  accept_command = { { verb = "VRFY", arguments = "bob" }, "reject" },
  auth = { { mechanism = "PLAIN", user = "alice", password = "wonderland" }, "accept" },
  secret = { { mechanism = "APOP", user = "alice@example.test" }, "accept" },
  token = { { mechanism = "XOAUTH2", user = "a", token = "another" }, "reject" },
  accept_login = { { session = { service = "pop3", user = "alice" } }, "reject" },
  accept_sender = { { address = "a@old.test" }, "accept", "address", "a@example.test" },
  accept_recipient = { { address = "old@example.test" }, "reject" },
  alias = { { address = "info@example.test" }, "accept" },
  accept_data = { {}, "none" },
  certificate = { { name = "../mx" }, "none" },
  accept_message = { { message = ATTACHED }, "reject" },
  accept_delivery = { { message = "X-Spam-Flag: YES\r\n\r\n" }, "accept" },
  on_accept = { { message = "Subject: x\r\n\r\n" .. ("line\r\n"):rep(200000) }, "tempfail" },
  on_delete = { {}, "none" },
  rewrite_greeting = { { text = "ESMTP" }, "none", "rewrite", "ESMTP, be nice" },
  rewrite_capabilities = { { text = "SIZE 9\nCHUNKING\nHELP\n" }, "none", "rewrite", "SIZE 9\nHELP\n" },
  rewrite_reply = { { code = "550", status = "5.1.1", text = "No such user" }, "none", "rewrite",
    "No such user. Is it spelled right?" },
}
-- Events by number, and what the log says then.
local watched = {
  on_connect = { 0, "", "hello" }, on_tls = { 4, "TLSv1.2", "old TLS" }, on_login = { 5, "PLAIN bob", "" },
  on_command = { 1, "NOOP", "command" }, on_reply = { 2, "550 5.1.1 No", "refused" },
  on_retrieved = { 7, "uidl1", "fetched" }, on_stored = { 10, "bob@example.test", "new mail" },
  on_deleted = { 8, "", "deleted" }, on_error = { 11, "500 What", "" }, on_disconnect = { 9, "", "good-bye" },
}

describe("lua/meta/hooks.lua", function()
  after_each(script.clean)

  it("says of each hook what the core's table says, in any order, and names no other", function()
    local known, said = {}, {}
    for _, row in ipairs(rows()) do known[row.name] = row end
    for _, block in ipairs(documented()) do
      said[block.name] = { name = block.name, kind = block.kind, arguments = block.arguments, verdicts = block.verdicts,
        ["nil"] = block["nil"] }
    end
    assert.same(known, said)
  end)

  it("is Lua that loads", function()
    assert.is_truthy(loadfile "lua/meta/hooks.lua")
  end)

  for _, block in ipairs(documented()) do
    it("has an example of " .. block.name .. " that works", function()
      local _, lines = (block.example or ""):gsub("[^\n]*%S[^\n]*\n", "")
      assert.is_true(lines >= 3 and lines <= 15, block.name .. " has lines: " .. lines)
      local stage = script.plugin(block.example, { debug = true })
      local question, event = asked[block.name], watched[block.name]
      if question then
        local spec, kind, field, value = table.unpack(question)
        local session = stage:session(spec.session)
        local full = { hook = block.name, session = session }
        for key, v in pairs(spec) do if key ~= "session" then full[key] = v end end
        local answer = script.ask(stage, full)
        session:close()
        assert.equal(kind, answer.kind)
        if field then assert.equal(value, answer[field]) end
        assert.is_nil(script.log():find("plugin failed", 1, true))
      elseif event then
        local session = stage:session { tls = true, listener = "mta@127.0.0.1:2525" }
        stage:event(session, event[1], event[2], 1, 100)
        stage:spin(20)
        session:close()
        local log = script.log()
        assert.is_nil(log:find("plugin failed", 1, true), log)
        assert.is_truthy(log:find(event[3], 1, true), log)
        assert.equal(1, stage:numbers().calls)
      elseif block.name == "on_start" or block.name == "on_stop" then
        stage[block.name:sub(4)](stage)
        stage:run(5000)
        local log = script.log()
        assert.is_nil(log:find("plugin failed", 1, true), log)
        assert.is_truthy(log:find("plugin=one", 1, true), log)
      else
        assert.equal("mailbox", block.name)
        local session = stage:session { service = "pop3" }
        local drop = script.open(stage, session, "alice@example.test")
        assert.equal("Subject: one\r\n\r\nHello\r\n", script.fetch(stage, drop, 1))
        drop:close()
        session:close()
      end
    end)
  end
end)
