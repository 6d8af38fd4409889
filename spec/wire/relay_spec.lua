-- Never an open relay: who may send to whom, on every listener, signed in or not.
local server = require "spec.support.server"

-- Ways that make careless servers relay.
local remote = {
  "user@elsewhere.example",
  "user@elsewhere.example@example.test",
  "@example.test:user@elsewhere.example",
  "user%elsewhere.example@remote.example",
  "elsewhere.example!user@remote.example",
  '"user@elsewhere.example"@remote.example',
  "user@[192.0.2.1]",
  "user@[IPv6:2001:db8::1]",
  "user@sub.example.test",
  "user@example.test.elsewhere.example",
  "user@example.testx",
  "user@xexample.test",
}

-- Local by domain, but nobody's mailbox: must not be sent on either.
local unknown = {
  '"user@elsewhere.example"@example.test',
  "user%elsewhere.example@example.test",
  "elsewhere.example!user@example.test",
  "nobody@example.test",
}

local senders = { "", "alice@example.test", "x@elsewhere.example", "postmaster@example.test", "root" .. "@[127.0.0.1]" }

describe("the server relays nothing", function()
  local s

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  local function session(service, signed_in)
    local c = s:connect(service)
    c:reply()
    c:command("EHLO client.example")
    if signed_in then assert.equal(235, (c:auth_plain("alice@example.test", "alice-secret"))) end
    return c
  end

  local function try(c, sender, recipient)
    local code = c:command("MAIL FROM:<" .. sender .. ">")
    if code ~= 250 then return code end
    local text
    code, text = c:command("RCPT TO:<" .. recipient .. ">")
    c:command("RSET")
    return code, text
  end

  for _, case in ipairs {
    { "an unknown client of the MTA port", "mta", false },
    { "a signed-in user of submissions", "submissions", true },
  } do
    it("for " .. case[1], function()
      local c = session(case[2], case[3])
      for _, sender in ipairs(senders) do
        for _, recipient in ipairs(remote) do
          local code, text = try(c, sender, recipient)
          assert.is_true(code // 100 == 5, ("<%s> to <%s>: %d %s"):format(sender, recipient, code, text))
        end
        c:close()
        c = session(case[2], case[3])          -- refusals are counted: a session bears only so many
        for _, recipient in ipairs(unknown) do
          local code, text = try(c, sender, recipient)
          assert.is_true(code // 100 == 5, ("<%s> to <%s>: %d %s"):format(sender, recipient, code, text))
        end
        c:close()
        c = session(case[2], case[3])
      end
      c:close()
    end)
  end

  it("and says so in words a user understands", function()
    local c = session("submissions", true)
    local code, text = try(c, "alice@example.test", "user@elsewhere.example")
    assert.equal(550, code)
    assert.is_truthy(text:find("^5%.7%.1 "), text)
    assert.is_truthy(text:lower():find("relay", 1, true), text)
    c:close()
  end)

  it("and takes nothing on submission before a login", function()
    for _, service in ipairs { "submission", "submissions" } do
      local c = session(service, false)
      local code, text = c:command("MAIL FROM:<alice@example.test>")
      assert.equal(530, code)
      assert.is_truthy(text:find("^5%.7%.[01]"), text)
      code = c:command("RCPT TO:<bob@example.test>")
      assert.is_true(code == 530 or code == 503)
      c:close()
    end
  end)

  it("and ignores a source route: the last mailbox counts (RFC 5321, appendix C)", function()
    local c = session("mta", false)
    assert.equal(250, (try(c, "x@y.example", "@elsewhere.example,@another.example:bob@example.test")))
    c:close()
  end)
end)
