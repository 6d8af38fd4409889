local kit = require "spec.net.kit"
local net = kit.net

describe("tls_context", function()
  local directory, authority, trusting
  local plain_ec, plain_rsa, wild, other

  setup(function()
    directory = kit.directory()
    authority = kit.authority(directory)
    plain_ec = authority:certificate("ec", { "mail.example.test" })
    plain_rsa = authority:certificate("rsa", { "mail.example.test" }, { key = "rsa" })
    wild = authority:certificate("wild", { "*.example.org" })
    other = authority:certificate("other", { "pop.example.net", "imap.example.net" })
    trusting = assert(net.tls_client(authority.root, true))
  end)

  teardown(function()
    trusting:free()
    kit.remove(directory)
  end)

  local function named(certificate, name)
    return { chain = certificate.chain, key = certificate.key, name = name }
  end

  local function context(list, more)
    local settings = { certificates = list }
    for key, value in pairs(more or {}) do settings[key] = value end
    return assert(net.tls(settings))
  end

  local function fingerprint(certificate)
    local pipe = assert(io.popen(("openssl x509 -in %s -outform der | openssl dgst -sha256 -r"):format(certificate.leaf)))
    local hex = pipe:read("a"):match("^%x+")
    pipe:close()
    return hex
  end

  ---The leaf (as sha256) that a client sees which asks for the name; whatever it then thinks of it.
  local function shown(c, name)
    local careless = assert(net.tls_client(authority.root, false))
    local server, client = kit.secure_pair(c, careless, name)
    assert.equal("OK", client.secured, client.stream:error())
    local hash = client.stream:binding("tls-server-end-point"):gsub(".", function(octet)
      return ("%02x"):format(octet:byte())
    end)
    local seen = server.stream:tls().server_name
    server.stream:free()
    client.stream:free()
    careless:free()
    return hash, seen
  end

  describe("chooses the certificate by server name:", function()
    local c

    setup(function()
      c = context { named(plain_ec, "mail.example.test"), named(wild, "*.example.org"), other }
    end)

    teardown(function() c:free() end)

    it("the exact one, in any case", function()
      local hash, seen = shown(c, "mail.example.test")
      assert.equal(fingerprint(plain_ec), hash)
      assert.equal("mail.example.test", seen)
      assert.equal(fingerprint(plain_ec), (shown(c, "MAIL.Example.Test")))
    end)

    it("a wildcard for exactly one label", function()
      assert.equal(fingerprint(wild), (shown(c, "a.example.org")))
      assert.equal(fingerprint(other), (shown(c, "a.b.example.org")))
      assert.equal(fingerprint(other), (shown(c, "example.org")))
    end)

    it("one whose own names fit, when it is configured without a name", function()
      assert.equal(fingerprint(other), (shown(c, "pop.example.net")))
      assert.equal(fingerprint(other), (shown(c, "imap.example.net")))
    end)

    it("the one without a name for unknown names and for none", function()
      assert.equal(fingerprint(other), (shown(c, "unknown.example.com")))
      assert.equal(fingerprint(other), (shown(c, nil)))
      assert.equal(fingerprint(other), (shown(c, ("x"):rep(63) .. ".example.com")))
    end)

    it("the first when all have names", function()
      local all = context { named(plain_ec, "mail.example.test"), named(wild, "*.example.org") }
      assert.equal(fingerprint(plain_ec), (shown(all, "unknown.example.com")))
      all:free()
    end)

    it("a client that verifies is content with the chain", function()
      for _, name in ipairs { "mail.example.test", "x.example.org", "pop.example.net" } do
        local server, client = kit.secure_pair(c, trusting, name)
        assert.equal("OK", client.secured, client.stream:error())
        server.stream:free()
        client.stream:free()
      end
    end)
  end)

  describe("with an ECDSA and an RSA certificate of one name", function()
    local c

    setup(function()
      c = context { named(plain_rsa, "mail.example.test"), named(plain_ec, "mail.example.test") }
    end)

    teardown(function() c:free() end)

    it("shows each client the one it can use", function()
      local options = "-servername mail.example.test -verify_return_error "
      assert.matches("Peer signature type: ECDSA", kit.s_client(directory, c, options).text)
      assert.matches("Peer signature type: RSA%-PSS",
        kit.s_client(directory, c, options .. "-sigalgs RSA-PSS+SHA256").text)
      assert.matches("ECDHE%-RSA%-",
        kit.s_client(directory, c, options .. "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256").text)
      assert.matches("ECDHE%-ECDSA%-",
        kit.s_client(directory, c, options .. "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256").text)
    end)

    it("refuses a second one of a key type", function()
      local again = authority:certificate("again", { "mail.example.test" })
      local none, err = net.tls { certificates = {
        named(plain_ec, "mail.example.test"), named(again, "mail.example.test"),
      } }
      assert.is_nil(none)
      assert.matches("again.pem: \"mail.example.test\" has another .* certificate already", err)
    end)
  end)

  describe("negotiates", function()
    it("TLS 1.3 and 1.2, nothing older", function()
      local c = context { plain_ec }
      assert.equal("TLSv1.3", kit.s_client(directory, c, "").facts.version)
      assert.equal("TLSv1.2", kit.s_client(directory, c, "-tls1_2").facts.version)
      local old = kit.s_client(directory, c, "-tls1_1 -cipher DEFAULT@SECLEVEL=0")
      assert.equal("IO", old.secured)
      assert.matches("the peer's newest TLS version is older than what is allowed", old.error)
      c:free()
    end)

    it("TLS 1.3 alone when the configuration says so", function()
      local c = context({ plain_ec }, { min_version = "1.3" })
      assert.equal("TLSv1.3", kit.s_client(directory, c, "").facts.version)
      assert.equal("IO", kit.s_client(directory, c, "-tls1_2").secured)
      c:free()
    end)

    it("no cipher without forward secrecy and authenticated encryption", function()
      local c = context { plain_rsa }
      for _, cipher in ipairs { "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384" } do
        local got = kit.s_client(directory, c, "-tls1_2 -cipher " .. cipher)
        assert.equal("IO", got.secured, cipher)
      end
      assert.equal("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        kit.s_client(directory, c, "-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305").facts.cipher)
      c:free()
    end)

    it("the ciphers that the configuration names", function()
      local c = context({ plain_ec }, {
        ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384", ciphersuites = "TLS_CHACHA20_POLY1305_SHA256",
      })
      assert.equal("TLS_CHACHA20_POLY1305_SHA256", kit.s_client(directory, c, "").facts.cipher)
      assert.equal("IO", kit.s_client(directory, c, "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256").secured)
      c:free()
    end)

    it("the protocol name if the client offers ours, and goes on if it offers others", function()
      local c = context { plain_ec }
      assert.matches("ALPN protocol: pop3", kit.s_client(directory, c, "-alpn imap,pop3").text)
      assert.matches("ALPN protocol: smtp", kit.s_client(directory, c, "-alpn smtp").text)
      local others = kit.s_client(directory, c, "-alpn h2,http/1.1")
      assert.equal("OK", others.secured)
      assert.matches("No ALPN negotiated", others.text)
      c:free()
    end)
  end)

  describe("says what is wrong with", function()
    local function failure(settings)
      settings.certificates = settings.certificates or { plain_ec }
      local c, err = net.tls(settings)
      assert.is_nil(c)
      return err
    end

    it("the version", function()
      assert.matches('tls.min_version = "1.1" is not possible: write "1.2" or "1.3"', failure { min_version = "1.1" })
    end)

    it("the ciphers", function()
      assert.matches('tls.ciphers = "NONSENSE" is not understood', failure { ciphers = "NONSENSE" })
      assert.matches('tls.ciphersuites = "NONSENSE" is not understood', failure { ciphersuites = "NONSENSE" })
    end)

    it("no certificate at all", function()
      assert.matches("no certificate is configured", failure { certificates = {} })
    end)

    it("trusted certificates that are not there", function()
      local c, err = net.tls_client(directory .. "/none.pem", true)
      assert.is_nil(c)
      assert.matches("/none.pem: cannot read trusted certificates", err)
    end)
  end)

  describe("tickets", function()
    ---Whether a second connection of one client resumes the session of the first.
    local function resumed(first, second, options)
      local client_context = assert(net.tls_client(authority.root, true))
      local result
      for _, c in ipairs { first, second } do
        local server, client = kit.secure_pair(c, client_context, options and options.name or "mail.example.test")
        assert.equal("OK", client.secured, client.stream:error())
        server.stream:write("hello")                     -- the ticket comes before it
        assert(net.run(1000, function() return client.text() == "hello" end))
        result = client.stream:tls().resumed
        assert.equal(result, server.stream:tls().resumed)
        server.stream:free()
        client.stream:free()
      end
      client_context:free()
      return result
    end

    it("resume a session with another process that has the same key", function()
      local one = context({ plain_ec }, { ticket_key = "k" })
      local two = context({ plain_ec }, { ticket_key = "k" })
      assert.is_true(resumed(one, two))
      one:free()
      two:free()
    end)

    it("resume under every name", function()
      local list = { named(plain_ec, "mail.example.test"), named(wild, "*.example.org") }
      local one = context(list, { ticket_key = "k" })
      local two = context(list, { ticket_key = "k" })
      assert.is_true(resumed(one, two, { name = "a.example.org" }))
      one:free()
      two:free()
    end)

    it("of another key mean a full handshake, not a failure", function()
      local one = context({ plain_ec }, { ticket_key = "k" })
      local two = context({ plain_ec }, { ticket_key = "q" })
      assert.is_false(resumed(one, two))
      one:free()
      two:free()
    end)

    it("are not given when they are off", function()
      local c = context { plain_ec }
      assert.is_false(resumed(c, c))
      c:free()
    end)

    it("are good for the configured time", function()
      local c = context({ plain_ec }, { ticket_key = "k", ticket_lifetime = 1234 })
      for _, version in ipairs { "-tls1_2", "-tls1_3" } do
        assert.matches("ticket lifetime hint: 1234 ", kit.s_client(directory, c, version).text)
      end
      c:free()
    end)

    it("resume TLS 1.2 sessions too", function()
      local c = context({ plain_ec }, { ticket_key = "k" })
      local file = directory .. "/session.pem"
      kit.s_client(directory, c, "-tls1_2 -sess_out " .. file)
      local again = kit.s_client(directory, c, "-tls1_2 -sess_in " .. file)
      assert.is_true(again.facts.resumed)
      c:free()
    end)
  end)

  it("stays alive for its streams after it was freed", function()
    local c = context { plain_ec }
    local one, two = kit.tcp_pair()
    local server, client = kit.peer(one), kit.peer(two)
    server.stream:start_tls(c)
    c:free()
    client.stream:connect_tls(trusting, "mail.example.test")
    assert.is_true(net.run(2000, function() return server.secured and client.secured end))
    assert.equal("OK", client.secured, client.stream:error())
    server.stream:free()
    client.stream:free()
  end)
end)
