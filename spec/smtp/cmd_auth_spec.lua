-- AUTH.  The mechanisms themselves are tested in spec/hook/login_spec.lua.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

local ALICE = "AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZQ=="         -- \0alice@example.test\0alice
local WRONG = "AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw=="         -- \0alice@example.test\0wrong

local function server(options)
  options = options or {}
  if options.tls == nil then options.tls = true end
  return smtp.peer(options):hello()
end

describe("AUTH", function()
  it("takes an initial response", function()
    local peer = server()
    assert.equal("235 2.7.0 Authentication successful\r\n", peer:say("AUTH PLAIN " .. ALICE))
    assert.equal("alice@example.test", peer.session:facts().user)
  end)

  it("asks for the response when there is none", function()
    local peer = server()
    assert.equal("334 \r\n", peer:say "AUTH PLAIN")
    assert.matches("^235", peer:say(ALICE))
  end)

  it("does LOGIN in two questions", function()
    local peer = server()
    assert.equal("334 VXNlcm5hbWU6\r\n", peer:say "AUTH LOGIN")
    assert.equal("334 UGFzc3dvcmQ6\r\n", peer:say "YWxpY2VAZXhhbXBsZS50ZXN0")
    assert.matches("^235", peer:say "YWxpY2U=")
  end)

  it("knows mechanisms in any case", function()
    assert.matches("^235", server():say("auth plain " .. ALICE))
  end)

  it("is pipelined if the client dares", function()
    assert.equal("235 250", codes(server():say("AUTH PLAIN " .. ALICE, "MAIL FROM:<alice@example.test>")))
  end)

  it("marks the trace field with ESMTPSA", function()
    local peer = server()
    peer:say("AUTH PLAIN " .. ALICE)
    peer:to_data():say("Subject: x", "", ".")
    assert.matches("with ESMTPSA", peer.mails[1].octets)
  end)

  it("is 501 when the client gives up with *", function()
    assert.equal("334 501 250", codes(server():say("AUTH PLAIN", "*", "NOOP")))
  end)

  it("is 501 5.5.2 when the response is not base64 or makes no sense", function()
    for _, response in ipairs { "!!!!", "YQ", "YQ==" } do
      assert.matches("^501 5%.5%.2 ", server():say("AUTH PLAIN " .. response), response)
    end
    assert.matches("501 5%.5%.2 [^\n]*\n$", server():say("AUTH LOGIN", "no base64"))
  end)

  it("is 501 with too many words", function()
    assert.matches("^501 5%.5%.4 ", server():say("AUTH PLAIN " .. ALICE .. " x"))
  end)

  it("is 504 for an unknown mechanism and one that is not configured", function()
    assert.matches("^504 5%.5%.4 ", server():say "AUTH GSSAPI")
    assert.matches("^504 5%.5%.4 ", server { auth_mechanisms = smtp.PLAIN }:say "AUTH LOGIN")
  end)

  it("is 538 in clear where passwords need TLS", function()
    assert.matches("^538 5%.7%.11 ", server { tls = false }:say("AUTH PLAIN " .. ALICE))
  end)

  it("is 502 where there is no login at all", function()
    assert.matches("^502 5%.5%.1 ", server { auth_mechanisms = 0 }:say("AUTH PLAIN " .. ALICE))
  end)

  it("is 503 after a login", function()
    assert.equal("235 503", codes(server():say("AUTH PLAIN " .. ALICE, "AUTH PLAIN " .. ALICE)))
  end)

  it("bears lines of max_auth_line_octets and no more, and the session goes on", function()
    local peer = server { max_auth_line_octets = 1000 }
    peer:say "AUTH PLAIN"
    assert.matches("^501 5%.5%.2 ", peer:say(("A"):rep(997) .. "="))
    peer:say "AUTH PLAIN"
    assert.equal("500 5.5.6 Authentication exchange line is too long\r\n", peer:say(("A"):rep(999)))
    assert.equal("250", codes(peer:say "NOOP"))
  end)

  it("bears an initial response as long as that, too", function()
    local peer = server { max_command_octets = 512, max_auth_line_octets = 3000 }
    assert.matches("^501 5%.5%.2 ", peer:say("AUTH PLAIN " .. ("A"):rep(2983) .. "="))
    assert.matches("^500 5%.5%.2 Line too long", peer:say("AUTH PLAIN " .. ("A"):rep(2991)))
    assert.equal("250", codes(peer:say "NOOP"))
  end)
end)

describe("a line of the exchange with a bare CR or LF", function()
  it("ends the exchange, also when nothing follows the LF", function()
    local peer = server()
    peer:say "AUTH PLAIN"
    assert.matches("^500 5%.5%.2 ", peer:say("AGFs\nYWxp"))
    assert.equal("250", codes(peer:say "NOOP"))
    peer:say "AUTH PLAIN"
    peer.session:feed "AGFs\n"
    assert.matches("^500 5%.5%.2 ", peer.session:take())
    assert.equal("250", codes(peer:say("rest of it", "NOOP")))
  end)
end)

describe("a refused login", function()
  it("is answered after the delay, 535 without saying what was wrong", function()
    local peer = server { auth_failure_delay_ms = 2000 }
    assert.equal("", peer:say("AUTH PLAIN " .. WRONG))
    assert.equal("wait", peer.session:wants())
    assert.equal(2000, (peer.session:timers()))
    peer.session:delayed()
    assert.equal("535 5.7.8 Authentication credentials invalid\r\n", peer.session:take())
    assert.equal("", peer.session:facts().user)
  end)

  it("ends the session after max_auth_failures", function()
    local peer = server { auth_failure_delay_ms = 0, max_auth_failures = 3 }
    assert.equal("535 535 421", codes(peer:say("AUTH PLAIN " .. WRONG, "AUTH PLAIN " .. WRONG, "AUTH PLAIN " .. WRONG)))
    assert.equal("close", peer.session:wants())
  end)

  it("for now is 454 4.7.0 and counts for nothing", function()
    local peer = server { max_auth_failures = 2, policy = function(q)
      if q.hook == "auth" then return { kind = "tempfail" } end
    end }
    for _ = 1, 5 do assert.matches("^454 4%.7%.0 ", peer:say("AUTH PLAIN " .. ALICE)) end
  end)

  it("may end the session at once", function()
    local peer = server { auth_failure_delay_ms = 0, policy = function(q)
      if q.hook == "auth" then return { kind = "disconnect" } end
    end }
    assert.equal("421", codes(peer:say("AUTH PLAIN " .. WRONG)))
    assert.equal("close", peer.session:wants())
  end)

  it("waits for an answer that comes later", function()
    local peer = server { policy = function(q) if q.hook == "auth" then return "later" end end }
    assert.equal("", peer:say("AUTH PLAIN " .. ALICE, "NOOP"))
    peer.session:answer { kind = "accept", user = "alice@example.test" }
    assert.equal("235 250", codes(peer.session:take()))
  end)

  it("is cancelled when the session closes", function()
    local peer = server { policy = function(q) if q.hook == "auth" then return "later" end end }
    peer:say("AUTH PLAIN " .. ALICE)
    assert.equal(1, peer.session:close())
  end)
end)
