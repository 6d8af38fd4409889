-- HELO, EHLO, STARTTLS, XCLIENT.
local smtp = require "spec.support.smtp"
local codes = smtp.codes

---The keywords of an EHLO reply: keyword -> its parameters.
local function extensions(reply)
  local set, first = {}, true
  for line in reply:gmatch "250[ %-]([^\r]*)\r\n" do
    local keyword, rest = line:match "^(%S+) ?(.*)$"
    if not first then set[keyword] = rest end
    first = false
  end
  return set
end

local function ehlo(options)
  local peer = smtp.peer(options)
  peer.session:take()
  return extensions(peer:say "EHLO client.example"), peer
end

describe("HELO", function()
  it("answers in one line without an enhanced code", function()
    local peer = smtp.peer()
    peer.session:take()
    assert.equal("250 mail.example.test\r\n", peer:say "HELO client.example")
  end)
end)

describe("the names of HELO and EHLO", function()
  it("are domains, address literals, and what real machines say", function()
    for _, name in ipairs { "client.example", "localhost", "[127.0.0.1]", "[IPv6:::1]", "[IPv6:2001:db8::25]",
      "my_machine", "client.example.", "x", "192.0.2.1", "[2001:db8::1]", "почта.example" } do
      assert.matches("^250", smtp.peer():hello():say("EHLO " .. name), name)
    end
  end)

  it("are nothing else", function()
    for _, name in ipairs { "", "a b", "<a>", "a(b", "a;b", "a!b", "[127.0.0.1", "[300.1.1.1]", "[]", "[:::1]", "a@b", ("x"):rep(256) } do
      assert.matches("^501 5%.5%.4 ", smtp.peer():hello():say("EHLO " .. name), name)
    end
  end)

  it("reach the plugins and the trace field", function()
    local peer = smtp.peer():hello()
    assert.equal("client.example", peer.session:facts().helo)
    peer:to_data():say("Subject: x", "", ".")
    assert.matches("\r\nReceived: from client%.example %(%[192%.0%.2%.7%]%)", peer.mails[1].octets)
  end)
end)

describe("EHLO", function()
  it("announces what is done", function()
    local set = ehlo { max_message_octets = 12345, max_recipients = 77 }
    assert.same({
      PIPELINING = "", SIZE = "12345", ["8BITMIME"] = "", SMTPUTF8 = "", CHUNKING = "",
      ENHANCEDSTATUSCODES = "", LIMITS = "RCPTMAX=77", HELP = "",
    }, set)
  end)

  it("announces MAILMAX only where there is one", function()
    assert.equal("RCPTMAX=1000 MAILMAX=5", ehlo { max_transactions = 5 }.LIMITS)
  end)

  it("announces STARTTLS where it can be had, and not under TLS", function()
    assert.equal("", ehlo { tls_available = true }.STARTTLS)
    assert.is_nil(ehlo { tls_available = true, tls = true }.STARTTLS)
    assert.is_nil(ehlo {}.STARTTLS)
  end)

  it("announces AUTH under TLS, on loopback if allowed, and not after the login", function()
    assert.equal("PLAIN LOGIN", ehlo { tls = true }.AUTH)
    assert.is_nil(ehlo {}.AUTH)
    assert.equal("PLAIN LOGIN", ehlo { auth_without_tls = true }.AUTH)
    assert.equal("PLAIN LOGIN", ehlo { auth_without_tls_on_loopback = true, loopback = true }.AUTH)
    assert.is_nil(ehlo { auth_without_tls_on_loopback = true }.AUTH)
    local _, peer = ehlo { tls = true }
    assert.matches("^235", peer:say "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZQ==")
    assert.is_nil(extensions(peer:say "EHLO client.example").AUTH)
  end)

  it("announces XCLIENT to trusted peers alone", function()
    assert.equal("NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT", ehlo { trusted = true }.XCLIENT)
    assert.is_nil(ehlo {}.XCLIENT)
  end)

  it("can be refused by policy, and the session is still without a name", function()
    local peer = smtp.peer { policy = function(q)
      if q.hook == "accept_helo" and q.name == "bad.example" then return { kind = "reject", text = "No" } end
    end }
    peer.session:take()
    assert.equal("550 5.7.1 No\r\n", peer:say "EHLO bad.example")
    assert.equal("503", codes(peer:say "MAIL FROM:<>"))
    assert.matches("^250", peer:say "EHLO good.example")
  end)

  it("ends the mail that was begun (RFC 5321, 4.1.4)", function()
    local peer = smtp.peer():hello()
    peer:say("MAIL FROM:<a@example.test>", "RCPT TO:<bob@example.test>")
    peer:say "EHLO again.example"
    assert.equal("503", codes(peer:say "DATA"))
    assert.equal("250", codes(peer:say "MAIL FROM:<>"))
  end)

  it("that is refused does not end it", function()
    local peer = smtp.peer { policy = function(q)
      if q.hook == "accept_helo" and q.name == "bad.example" then return { kind = "reject" } end
      return smtp.policy(q)
    end }:hello()
    peer:say("MAIL FROM:<a@example.test>", "RCPT TO:<bob@example.test>")
    assert.equal("501 550 354", codes(peer:say("EHLO a b", "EHLO bad.example", "DATA")))
    assert.equal("client.example", peer.session:facts().helo)
  end)
end)

describe("STARTTLS", function()
  it("is 502 where there is no certificate", function()
    assert.matches("^502 5%.5%.1 ", smtp.peer():hello():say "STARTTLS")
  end)

  it("makes the session forget name, login and mail", function()
    local peer = smtp.peer { tls_available = true, auth_without_tls = true }:hello()
    peer:say("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZQ==", "MAIL FROM:<>")
    assert.equal("alice@example.test", peer.session:facts().user)
    assert.equal("220 2.0.0 Ready to start TLS\r\n", peer:say "STARTTLS")
    assert.equal("tls", peer.session:wants())
    peer:start_tls()
    assert.equal("", peer.session:facts().user)
    assert.equal("", peer.session:facts().helo)
    assert.equal("503 503", codes(peer:say("RCPT TO:<bob@example.test>", "MAIL FROM:<>")))
  end)

  it("obeys nothing that was pipelined behind it in clear", function()
    local peer = smtp.peer { tls_available = true }:hello()
    peer.session:feed "STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<evil@example.test>\r\n"
    assert.equal("220", codes(peer.session:take()))
    peer:start_tls()
    assert.equal("", peer.session:take())
    assert.equal("", peer.session:facts().helo)
  end)

  it("sends ESMTPS and the cipher into the trace field", function()
    local peer = smtp.peer { tls = true }:hello():to_data()
    peer:say("Subject: x", "", ".")
    assert.matches("with ESMTPS%s+%(TLSv1%.3 TLS_AES_256_GCM_SHA384%)", peer.mails[1].octets)
  end)
end)

describe("XCLIENT", function()
  it("is refused to strangers", function()
    assert.matches("^550 5%.7%.0 ", smtp.peer():hello():say "XCLIENT ADDR=192.0.2.99")
  end)

  it("changes who the client is and begins the session anew", function()
    local peer = smtp.peer { trusted = true }:hello()
    assert.equal("220 mail.example.test ESMTP\r\n", peer:say("XCLIENT NAME=a.example ADDR=198.51.100.9 PORT=4711 " ..
      "PROTO=SMTP HELO=old.example LOGIN=bob+40example.test DESTADDR=IPV6:2001:DB8::0:1 DESTPORT=25"))
    local f = peer.session:facts()
    assert.same({ "198.51.100.9", 4711, "old.example", 0, "bob@example.test", "2001:db8::1", 25 },
      { f.remote_ip, f.remote_port, f.helo, f.esmtp, f.user, f.local_ip, f.local_port })
    assert.equal("503 250", codes(peer:say("MAIL FROM:<>", "HELO a.example")))
  end)

  it("shows in the trace field", function()
    local peer = smtp.peer { trusted = true }:hello()
    peer:say("XCLIENT NAME=client.example ADDR=IPV6:2001:db8::7", "EHLO who.example")
    peer:to_data():say("a: b", "", ".")
    assert.matches("Received: from who%.example %(client%.example %[IPv6:2001:db8::7%]%)", peer.mails[1].octets)
  end)

  it("asks accept_connection again, for the new address", function()
    local asked = 0
    local peer = smtp.peer { trusted = true, policy = function(q)
      if q.hook == "accept_connection" then
        asked = asked + 1
        if asked == 2 then return { kind = "reject", text = "Not from there" } end
      end
    end }:hello()
    assert.equal("554 5.7.0 Not from there\r\n", peer:say "XCLIENT ADDR=203.0.113.5")
  end)

  it("knows [UNAVAILABLE] and [TEMPUNAVAIL]", function()
    local peer = smtp.peer { trusted = true }:hello()
    peer:say "XCLIENT LOGIN=alice HELO=x.example"
    assert.equal("220", codes(peer:say "XCLIENT LOGIN=[UNAVAILABLE] HELO=[TEMPUNAVAIL] NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]"))
    local f = peer.session:facts()
    assert.same({ "", "", "0.0.0.0" }, { f.user, f.helo, f.remote_ip })
  end)

  it("may come in several lines that add up", function()
    local peer = smtp.peer { trusted = true }:hello()
    assert.equal("220 220", codes(peer:say("XCLIENT LOGIN=alice", "XCLIENT ADDR=198.51.100.9")))
    assert.equal("alice", peer.session:facts().user)
    assert.equal("198.51.100.9", peer.session:facts().remote_ip)
  end)

  it("takes away what the peer had signed in as", function()
    local peer = smtp.peer { trusted = true, tls = true }:hello()
    peer:say("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZQ==", "XCLIENT ADDR=198.51.100.9")
    assert.equal("", peer.session:facts().user)
  end)

  it("is 501 when an attribute is unknown or its value makes no sense", function()
    for _, args in ipairs { "COLOUR=red", "ADDR=300.1.1.1", "ADDR=2001:db8::1", "PORT=65536", "PORT=x", "PROTO=LMTP",
      "HELO=a+20b", "LOGIN", "LOGIN=a+0D+0ANOOP", "NAME=a/b", "=x" } do
      assert.matches("^501 5%.5%.4 ", smtp.peer { trusted = true }:hello():say("XCLIENT " .. args), args)
    end
  end)

  it("is 503 while a mail is begun", function()
    local peer = smtp.peer { trusted = true }:hello()
    peer:say "MAIL FROM:<>"
    assert.matches("^503 5%.5%.1 ", peer:say "XCLIENT ADDR=198.51.100.9")
  end)

  it("decides what counts as loopback", function()
    local peer = smtp.peer { trusted = true, auth_without_tls_on_loopback = true, loopback = true }:hello()
    peer:say("XCLIENT ADDR=198.51.100.9", "EHLO x")
    assert.equal("538", codes(peer:say "AUTH PLAIN ="))
    peer:say("XCLIENT ADDR=IPV6:::1", "EHLO x")
    assert.matches("^501", peer:say "AUTH PLAIN =")
  end)
end)

describe("rewrite_capabilities", function()
  local function say(rewrite)
    local seen
    local peer = smtp.peer { policy = function(q)
      if q.hook ~= "rewrite_capabilities" then return smtp.policy(q) end
      seen = q.text
      return { kind = "none", rewrite = rewrite or q.text }
    end }
    peer.session:take()
    return peer:say "EHLO client.example", seen
  end

  it("sees all lines behind the first, and nothing changes when it changes nothing", function()
    local reply, seen = say()
    assert.equal(smtp.peer():say "EHLO client.example", "220 mail.example.test ESMTP\r\n" .. reply)
    assert.matches("^PIPELINING\nSIZE 52428800\n", seen)
    assert.matches("\nHELP\n$", seen)
  end)

  it("says what is left, the last line without hyphen", function()
    assert.equal("250-mail.example.test greets client.example\r\n250-SIZE 1000\r\n250 8BITMIME\r\n", (say "SIZE 1000\n8BITMIME\n"))
    assert.equal("250-mail.example.test greets client.example\r\n250 HELP\r\n", (say "HELP\n"))
    assert.equal("250 mail.example.test greets client.example\r\n", (say ""))
  end)
end)
