-- SCRAM-SHA-256 and its channel binding, as a client does it (RFC 5802, RFC 7677, RFC 9266).
local mime = require "mime"
local scram = require "spec.support.scram_client"
local server = require "spec.support.server"

local ALICE, PASSWORD = "alice@example.test", "alice-secret"

-- A client of either protocol: say() sends a line and gives what kind of answer came and its text.
local protocols = {
  smtp = {
    clear = "mta", tls = "submissions", done = 235, refused = 535,
    open = function(c) c:reply() return select(2, c:command("EHLO client.example")) end,
    say = function(c, line) return c:command(line) end,
    challenge = function(code, text) return code == 334 and text end,
  },
  pop3 = {
    clear = "pop3", tls = "pop3s", done = "+OK", refused = "-ERR",
    open = function(c) c:line() return select(2, c:fetch("CAPA")) end,
    say = function(c, line)
      local kind, text = c:ask(line):match("^(%S+) ?(.*)$")
      return kind, text
    end,
    challenge = function(kind, text) return kind == "+" and text end,
  },
}

describe("SCRAM", function()
  local s

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  ---@return string|integer outcome the last answer's kind
  ---@return boolean? proven the server showed that it knows the password too
  local function login(protocol, c, mechanism, o)
    local p = protocols[protocol]
    local client = scram.new { user = (ALICE:gsub("=", "=3D")), password = o.password or PASSWORD, gs2 = o.gs2,
      binding = o.binding }
    local kind, text = p.say(c, ("AUTH %s %s"):format(mechanism, (mime.b64(client.first))))
    local challenge = p.challenge(kind, text)
    if not challenge then return kind end
    kind, text = p.say(c, (mime.b64(client.final((mime.unb64(challenge))))))
    challenge = p.challenge(kind, text)
    if not challenge then return kind end
    local proven = (mime.unb64(challenge)) == client.signature
    return (p.say(c, "")), proven
  end

  local function connect(protocol, transport)
    local p = protocols[protocol]
    local c = s:connect(p[transport], { protocol = transport == "tls" and "tlsv1_3" or nil })
    return c, p.open(c)
  end

  ---Octets that bind the exchange to this TLS session or to this server's certificate.
  local function binding(c, kind)
    if kind == "tls-exporter" then
      return c.socket:exportkeyingmaterial("EXPORTER-Channel-Binding", 32, "")
    end
    return scram.unhex(c.socket:getpeercertificate():digest("sha256"))
  end

  for protocol, p in pairs(protocols) do
    describe("over " .. protocol, function()
      it("signs in without a password on the wire, and proves the server", function()
        local c, offered = connect(protocol, "tls")
        assert.is_truthy(offered:find("SCRAM-SHA-256", 1, true))
        assert.same({ p.done, true }, { login(protocol, c, "SCRAM-SHA-256", {}) })
        c:close()
      end)

      it("works in clear too, where it is safe", function()
        local c = connect(protocol, "clear")
        assert.same({ p.done, true }, { login(protocol, c, "SCRAM-SHA-256", {}) })
        c:close()
      end)

      it("refuses a wrong password", function()
        local c = connect(protocol, "tls")
        assert.equal(p.refused, (login(protocol, c, "SCRAM-SHA-256", { password = "wrong" })))
        c:close()
      end)

      it("binds to the server's certificate", function()
        local c, offered = connect(protocol, "tls")
        assert.is_truthy(offered:find("SCRAM-SHA-256-PLUS", 1, true))
        assert.same({ p.done, true }, { login(protocol, c, "SCRAM-SHA-256-PLUS", {
          gs2 = "p=tls-server-end-point,,", binding = binding(c, "tls-server-end-point"),
        }) })
        c:close()
      end)

      it("binds to the TLS session", function()
        local c = connect(protocol, "tls")
        if not c.socket.exportkeyingmaterial then return pending("this LuaSec has no exporter") end
        assert.same({ p.done, true }, { login(protocol, c, "SCRAM-SHA-256-PLUS", {
          gs2 = "p=tls-exporter,,", binding = binding(c, "tls-exporter"),
        }) })
        c:close()
      end)

      it("refuses the binding of another channel: somebody is in the middle", function()
        local c = connect(protocol, "tls")
        assert.equal(p.refused, (login(protocol, c, "SCRAM-SHA-256-PLUS", {
          gs2 = "p=tls-server-end-point,,", binding = ("x"):rep(32),
        })))
        c:close()
      end)

      it("refuses a client that was made to believe there is no binding", function()
        local c = connect(protocol, "tls")
        assert.equal(p.refused, (login(protocol, c, "SCRAM-SHA-256", { gs2 = "y,," })))
        c:close()
      end)

      it("does not offer the binding in clear", function()
        local c, offered = connect(protocol, "clear")
        assert.is_nil(offered:find("SCRAM-SHA-256-PLUS", 1, true))
        c:close()
      end)
    end)
  end
end)
