-- Hooks on a real server: a message changed, copied, filed and reported; certificates of a plugin.
local server = require "spec.support.server"
local socket = require "socket"
local ssl = require "ssl"

describe("plugins on the wire", function()
  local s

  setup(function()
    s = server.start { plugins = { one = [[
      local plugin = ...
      local mail = require "moonpost"
      plugin:hook("alias", function(_, r)
        mail.sleep(0.01)
        if r.localpart == "team" then return { "alice@example.test", "bob@example.test" } end
      end)
      plugin:hook("accept_message", function(_, _, message)
        message:add("X-Parts", tostring(#message:parts()))
        message:set("Subject", "changed")
      end)
      plugin:hook("accept_delivery", function(_, _, recipient, message)
        if recipient.mailbox == "bob@example.test" and message:header "X-Parts" == "2" then return mail.discard() end
      end)
      plugin:hook("on_accept", function(_, _, message) assert(message:header "Subject" == "changed") end)
      plugin:hook("on_stored", function(mailbox, uid, size)
        mail.log.info("was stored", { what = ("%s/%d/%d"):format(mailbox, uid, size) })
      end)
      plugin:hook("accept_command", function(_, verb) if verb == "VRFY" then return mail.reject("5.7.2", "Ask somebody else") end end)
      plugin:hook("rewrite_greeting", function(_, text) mail.sleep(0.01) return text .. " hello" end)
      plugin:hook("rewrite_capabilities", function(_, list)
        local kept = {}
        for _, line in ipairs(list) do if line ~= "CHUNKING" and line ~= "TOP" then kept[#kept + 1] = line end end
        return kept
      end)
      plugin:hook("rewrite_reply", function(_, reply) if reply.status == "5.7.2" or reply.code == "-ERR" then
        mail.sleep(0.01) return reply.text .. "!" end end)
    ]] } }
  end)
  teardown(function() s:stop() end)

  it("change, copy, file and report a message", function()
    s:deliver("a@other.test", "team@example.test", "Subject: x\r\n\r\nbody\r\n")
    s:deliver("a@other.test", "team@example.test",
      "Subject: y\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\npart\r\n--b--\r\n")
    local alice, bob = s:maildrop("alice@example.test", "alice-secret"), s:maildrop("bob@example.test", "bob-secret")
    local reply, text = alice:fetch "RETR 1"
    assert.matches("^%+OK", reply)
    assert.matches("\r\nSubject: changed\r\nX%-Parts: 1\r\n\r\nbody", text)
    assert.matches("^%+OK 2 ", alice:ask "STAT")
    assert.matches("^%+OK 1 ", bob:ask "STAT")
    alice:close()
    bob:close()
    assert.is_truthy(s:wait_log("was stored.-what=alice@example.test/2/%d+", 10))
  end)

  it("change what is said", function()
    local c = s:connect "mta"
    local _, greeting = c:reply()
    assert.matches(" hello", greeting)
    local _, ehlo = c:command "EHLO client.example"
    assert.is_nil(ehlo:find("CHUNKING", 1, true))
    assert.is_truthy(ehlo:find("PIPELINING", 1, true))
    local code, text = c:command "VRFY bob"
    assert.equal(550, code)
    assert.matches("Ask somebody else!", text)
    assert.equal(221, (c:command "QUIT"))
    c:close()
    local p = s:connect "pop3"
    assert.matches("hello$", p:line())
    assert.matches("^%-ERR unknown command!", p:ask "XYZZY")
    p:close()
  end)
end)

describe("a plugin's certificates", function()
  local function subject(port, name)
    local raw = assert(socket.connect("127.0.0.1", port))
    local c = assert(ssl.wrap(raw, { mode = "client", protocol = "any", verify = "none", options = "all" }))
    c:settimeout(10)
    if name then c:sni(name) end
    assert(c:dohandshake())
    local cert = c:getpeercertificate()
    c:close()
    for _, part in ipairs(cert:subject()) do
      if part.name == "commonName" then return part.value end
    end
  end

  it("are shown to clients that ask for their name, each asked for once", function()
    local s = server.start { plugins = { certs = [[
      local plugin = ...
      local mail = require "moonpost"
      local options = plugin:options { folder = { "file" } }
      plugin:hook("certificate", function(name, listener)
        mail.log.info("was asked", { name = name, listener = listener })
        if name == "broken.example" then return { chain = "x", key = "y" } end
        local chain = name and mail.file.read(options.folder .. "/" .. name .. ".pem")
        return chain and { chain = chain, key = assert(mail.file.read(options.folder .. "/" .. name .. ".key")) } or nil
      end)]] }, config = function(sv)
      assert(os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 " ..
        "-subj /CN=plugin.example -keyout %s/plugin.example.key -out %s/plugin.example.pem 2>/dev/null"):format(sv.dir, sv.dir)))
      return { plugins = { { "certs", options = { folder = sv.dir } }, "auth_users" } }
    end }
    for _ = 1, 3 do assert.equal("plugin.example", subject(s.ports.pop3s, "Plugin.example")) end
    assert.equal("mail.example.test", subject(s.ports.pop3s, "other.example"))
    assert.equal("mail.example.test", subject(s.ports.pop3s, "broken.example"))
    local _, asked = s:log():gsub("was asked[^\n]*name=plugin%.example", "")
    assert.is_true(asked >= 1 and asked <= 2, "asked " .. asked)        -- once in each worker
    assert.matches("a plugin's certificate cannot be used.-there is no certificate in it", s:log())
    local c = s:connect "mta"
    c:reply()
    c:command "EHLO client.example"
    assert.equal(220, (c:command "STARTTLS"))
    assert(c:starttls())
    assert.equal(250, (c:command "EHLO client.example"))
    c:close()
    s:stop()
  end)
end)
