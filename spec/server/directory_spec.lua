-- Where mail goes: domains, users, aliases, catch-all, plus addressing, postmaster, quotas.
local server = require "spec.support.server"

describe("the directory", function()
  local s, c

  setup(function()
    s = server.start { config = {
      workers = 1, default_domain = "example.test",
      aliases = { ["office@example.test"] = { "alice@example.test", "bob@example.test" } },
      smtp = { max_idle_commands = 1000, max_errors = 1000 },
    } }
    for _, words in ipairs {
      { "domain", "add", "catch.test", "--catch-all", "bob@example.test" },
      { "domain", "add", "plain.test" },
      { "domain", "add", "почта.test" },
      { "domain", "add", "xn--d1acufc.test" },
      { "alias", "add", "team@example.test", "office@example.test", "alice@example.test" },
      { "alias", "add", "alice@example.test", "alice@example.test", "bob@example.test" },
      { "alias", "add", "here@plain.test", "there@plain.test" },
      { "alias", "add", "there@plain.test", "here@plain.test" },
      { "alias", "add", "lost@plain.test", "nobody@plain.test" },
      { "alias", "add", "@plain.test", "bob@example.test" },
      { "quota", "set", "full@example.test", "2000" },
    } do
      if words[1] == "quota" then
        assert.equal(0, (s:command({ "user", "add", "full@example.test" }, "x-secret\n")))
        assert.equal(0, (s:command({ "user", "add", "gone@example.test" }, "x-secret\n")))
        assert.equal(0, (s:command { "user", "disable", "gone@example.test" }))
      end
      local code, output = s:command(words)
      assert.equal(0, code, output)
    end
  end)
  teardown(function() s:stop() end)

  before_each(function()
    c = s:connect("mta")
    c:reply()
    c:command("EHLO client.example")
    c:command("MAIL FROM:<x@y.example>")
  end)
  after_each(function() c:close() end)

  local function rcpt(address, code, status)
    local got, text = c:command("RCPT TO:<" .. address .. ">")
    assert.equal(code, got, address .. ": " .. text)
    if status then assert.is_truthy(text:find(status, 1, true), text) end
    return text
  end

  ---Mailboxes that have one message more after a delivery to the address.
  local function delivered(address)
    local dkjson = require "dkjson"
    local function counts()
      local _, output = s:command { "mailbox", "list", "--json" }
      local count = {}
      for _, box in ipairs(dkjson.decode(output)) do count[box.mailbox] = box.messages end
      return count
    end
    local before = counts()
    c:command("RSET")
    c:command("MAIL FROM:<x@y.example>")
    rcpt(address, 250)
    assert.equal(354, (c:command("DATA")))
    assert.equal(250, (c:command("Subject: x\r\n\r\nx\r\n.")))
    local list = {}
    for name, count in pairs(counts()) do
      if count == (before[name] or 0) + 1 then list[#list + 1] = name end
    end
    table.sort(list)
    return list
  end

  it("takes users of local domains, whatever the case", function()
    assert.same({ "bob@example.test" }, delivered("bob@example.test"))
    assert.same({ "bob@example.test" }, delivered("BOB@Example.TEST"))
  end)

  it("takes the detail of plus addressing away", function()
    assert.same({ "bob@example.test" }, delivered("bob+lists@example.test"))
  end)

  it("refuses unknown users with 5.1.1 and remote domains with 5.7.1", function()
    rcpt("nobody@example.test", 550, "5.1.1")
    rcpt("x@elsewhere.example", 550, "5.7.1")
  end)

  it("follows aliases of aliases to each mailbox once", function()
    assert.same({ "alice@example.test", "bob@example.test" }, delivered("team@example.test"))
  end)

  it("reads an alias that names itself as the mailbox", function()
    assert.same({ "alice@example.test", "bob@example.test" }, delivered("alice@example.test"))
  end)

  it("does not follow a circle for ever", function()
    local code = c:command("RCPT TO:<here@plain.test>")
    assert.is_true(code == 250 or code >= 400)
  end)

  it("answers 4.3.5 for an alias that leads nowhere", function()
    assert.equal(0, (s:command { "alias", "remove", "@plain.test" }))
    rcpt("lost@plain.test", 451, "4.3.5")
    assert.equal(0, (s:command { "alias", "add", "@plain.test", "bob@example.test" }))
  end)

  it("gives what has no mailbox to the catch-all", function()
    assert.same({ "bob@example.test" }, delivered("anything@catch.test"))
    assert.same({ "bob@example.test" }, delivered("anything@plain.test"))
  end)

  it("knows a domain in all its spellings (RFC 5890)", function()
    c:command("RSET")
    c:command("MAIL FROM:<x@y.example> SMTPUTF8")
    for _, address in ipairs {
      "postmaster@почта.test", "postmaster@ПОЧТА.test", "postmaster@xn--80a1acny.test",
      "postmaster@домен.test", "postmaster@XN--d1acufc.test",
    } do rcpt(address, 250) end
    rcpt("postmaster@xn--e1afmkfd.test", 550)
    rcpt("postmaster@пример.test", 550)
  end)

  it("always has a postmaster", function()
    assert.equal(1, #delivered("postmaster"))
    assert.equal(1, #delivered("Postmaster@example.test"))
    assert.equal(1, #delivered("postmaster@mail.example.test"))
  end)

  it("knows itself as an address literal", function()
    assert.same({ "bob@example.test" }, delivered("bob@[127.0.0.1]"))
    c:command("MAIL FROM:<x@y.example>")
    rcpt("bob@[192.0.2.1]", 550, "5.7.1")
  end)

  it("refuses disabled users", function()
    rcpt("gone@example.test", 550, "5.2.1")
  end)

  it("refuses what can never fit, and everything when the mailbox is full", function()
    c:command("RSET")
    c:command("MAIL FROM:<x@y.example> SIZE=5000")
    rcpt("full@example.test", 552, "5.2.2")
    c:command("RSET")
    c:command("MAIL FROM:<x@y.example>")
    for _ = 1, 2 do
      local code = c:command("RCPT TO:<full@example.test>")
      if code ~= 250 then break end
      c:command("DATA")
      c:command("Subject: fill\r\n\r\n" .. (("x"):rep(70) .. "\r\n"):rep(15) .. ".")
      c:command("MAIL FROM:<x@y.example>")
    end
    c:command("RSET")
    c:command("MAIL FROM:<x@y.example> SIZE=1500")
    local code, text = c:command("RCPT TO:<full@example.test>")
    assert.is_true(code == 452 or code == 552, text)
    assert.is_truthy(text:find("2.2", 1, true), text)
  end)

  it("tells a signed-in user that there is no relaying", function()
    c:close()
    c = s:connect("submission")
    c:reply()
    c:command("EHLO client.example")
    c:command("STARTTLS")
    c:starttls()
    c:command("EHLO client.example")
    assert.equal(235, (c:auth_plain("alice@example.test", "alice-secret")))
    c:command("MAIL FROM:<alice@example.test>")
    local text = rcpt("x@elsewhere.example", 550, "5.7.1")
    assert.is_truthy(text:find("relay", 1, true), text)
  end)
end)
