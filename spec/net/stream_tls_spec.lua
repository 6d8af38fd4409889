local kit = require "spec.net.kit"
local net = kit.net
local eventually = kit.eventually

describe("stream over TLS", function()
  local directory, authority, certificate, context, trusting, only_12
  local server, client

  setup(function()
    directory = kit.directory()
    authority = kit.authority(directory)
    certificate = authority:certificate("mail", { "mail.example.test" })
    context = assert(net.tls { certificates = { certificate }, ticket_key = "k" })
    only_12 = assert(net.tls { certificates = { certificate } })
    trusting = assert(net.tls_client(authority.root, true))
  end)

  teardown(function()
    context:free()
    only_12:free()
    trusting:free()
    kit.remove(directory)
  end)

  after_each(function()
    if server then server.stream:free() end
    if client then client.stream:free() end
    server, client = nil, nil
  end)

  local function secured(more)
    server, client = kit.secure_pair(context, trusting, "mail.example.test", more)
    assert.equal("OK", server.secured)
    assert.equal("OK", client.secured)
  end

  local function size(p)
    local n = 0
    for _, part in ipairs(p.got) do n = n + #part end
    return n
  end

  it("carries octets both ways", function()
    secured()
    client.stream:write("EHLO x\r\n")
    eventually(function() return server.text() == "EHLO x\r\n" end)
    server.stream:write("250 ok\r\n")
    eventually(function() return client.text() == "250 ok\r\n" end)
    assert.same({ version = "TLSv1.3", cipher = "TLS_AES_256_GCM_SHA384", server_name = "mail.example.test",
                  resumed = false }, server.stream:tls())
  end)

  describe("that asks its owner for the certificate", function()
    local other

    setup(function() other = authority:certificate("other", { "other.example.test" }) end)

    ---Handshake with that name; the server's certificate event is fn(stream, name).
    local function handshake(name, fn)
      local one, two = kit.tcp_pair()
      server, client = kit.peer(one, { certificate = fn }), kit.peer(two)
      server.stream:start_tls(context)
      client.stream:connect_tls(trusting, name)
    end
    local function done()
      eventually(function() return server.secured and client.secured end)
      return client.secured, client.error
    end
    local function text(path) return kit.read(path) end

    it("shows the one it gets at once", function()
      local asked
      handshake("other.example.test", function(s, name)
        asked = name
        assert.is_true(s:certificate(text(other.chain), text(other.key)))
      end)
      assert.equal("OK", (done()))
      assert.equal("other.example.test", asked)
    end)

    it("waits for it, without using the processor", function()
      local stream
      handshake("other.example.test", function(s) stream = s end)
      eventually(function() return stream end)
      kit.net.run(20)
      assert.is_nil(client.secured)
      assert.is_true(stream:certificate(text(other.chain), text(other.key)))
      assert.equal("OK", (done()))
      assert.is_false(stream:certificate())
    end)

    it("shows its own when there is no other, and for a client that names nobody", function()
      handshake("mail.example.test", function(s) s:certificate() end)
      assert.equal("OK", (done()))
    end)

    it("may be freed while it waits", function()
      local stream
      handshake("other.example.test", function(s) stream = s end)
      eventually(function() return stream end)
      server.stream:free()
      server = nil
      eventually(function() return client.secured end)
      assert.is_not_equal("OK", client.secured)
    end)

    it("says what is wrong with a text", function()
      local why
      handshake("other.example.test", function(s)
        why = select(2, s:certificate("no PEM", text(other.key)))
      end)
      done()
      assert.matches("the spec: there is no certificate in it", why)
      assert.is_not_equal("OK", client.secured)
    end)
  end)

  it("has no facts before the handshake and without it", function()
    local one, two = net.pair()
    server, client = kit.peer(one), kit.peer(two)
    assert.same({ resumed = false }, server.stream:tls())
    assert.same({ nil, "UNSUPPORTED" }, { server.stream:binding("tls-exporter") })
  end)

  it("sends what was appended during the handshake when it is over", function()
    local one, two = kit.tcp_pair()
    server, client = kit.peer(one), kit.peer(two)
    server.stream:start_tls(context)
    server.stream:append("220 ready\r\n")
    server.stream:flush(true)
    client.stream:connect_tls(trusting, "mail.example.test")
    eventually(function() return client.text() == "220 ready\r\n" and server.drained == 1 end)
  end)

  it("gives every octet of a record that is larger than one read", function()
    secured()
    for _, part in ipairs { 1, 16384, 16385, 65636, 70000, 200000 } do
      local before = size(server)
      client.stream:write(("x"):rep(part))
      eventually(function() return size(server) == before + part end)
    end
  end)

  it("moves 10 MB both ways at once #slow", function()
    secured()
    local text = ("0123456789abcdef"):rep(10 * 65536)
    server.stream:append(text)
    server.stream:flush(true)
    client.stream:append(text)
    client.stream:flush(true)
    eventually(function() return size(server) == #text and size(client) == #text end)
    assert.is_true(server.text() == text and client.text() == text)
    eventually(function() return server.drained == 1 and client.drained == 1 end)
  end)

  it("holds back while reading is off, and delivers what TLS kept when it is on again", function()
    local seen
    secured { server = { readable = function(s)
      seen = (seen or "") .. s:take(1)
      s:read(false)
    end } }
    client.stream:write("abc")
    eventually(function() return seen == "a" end)
    assert.equal("bc", server.stream:input())
    server.stream:take()
    server.stream:read(false)
    client.stream:write(("x"):rep(3000000))
    net.run(50)
    assert.is_true(client.stream:unwritten() > 0)
    assert.equal("a", seen)
    server.stream:read(true)
    eventually(function() return #seen > 1 end)
  end)

  it("delivers what only TLS still has when reading is on again", function()
    local seen = 0
    secured { server = { readable = function(s)
      seen = seen + #s:take()
      s:read(false)
    end } }
    server.stream:read(false)
    client.stream:write(("x"):rep(100))
    client.stream:write(("x"):rep(65536))                -- the input is full within the last record
    net.run(20)
    server.stream:read(true)
    eventually(function() return seen == 65536 end)
    net.run(20)
    assert.equal(65536, seen)
    server.stream:read(true)
    eventually(function() return seen == 65636 end)
  end)

  it("goes on by itself with what only TLS still has", function()
    secured()
    server.stream:read(false)
    client.stream:write(("x"):rep(100))
    client.stream:write(("x"):rep(65536))
    net.run(20)
    server.stream:read(true)
    eventually(function() return size(server) == 65636 end)
    assert.equal(65536, #server.got[1])
  end)

  it("reads single octets, each in its own record", function()
    secured()
    for i = 1, 30 do
      client.stream:write(string.char(64 + i))
      eventually(function() return size(server) == i end)
    end
    assert.equal("ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^", server.text())
  end)

  it("takes a handshake and records that come octet by octet", function()
    local one, two = kit.tcp_pair()
    local near, far = kit.tcp_pair()
    server, client = kit.peer(one), kit.peer(far)
    -- A relay between `two` (to the server) and `near` (to the client) that cuts everything up.
    local to_server, to_client = kit.peer(two), kit.peer(near)
    local queue, at = {}, 1
    local function feed(p, target)
      for _, part in ipairs(p.got) do
        for octet in part:gmatch(".") do queue[#queue + 1] = { target, octet } end
      end
      p.got = {}
    end
    server.stream:start_tls(context)
    client.stream:connect_tls(trusting, "mail.example.test")
    client.stream:append("hello")
    client.stream:flush(true)
    local limit = net.now_ms() + 8000
    while server.text() ~= "hello" do
      net.run(1, function()
        feed(to_client, to_server.stream)
        feed(to_server, to_client.stream)
        return at <= #queue
      end)
      if queue[at] then
        queue[at][1]:write(queue[at][2])
        at = at + 1
      end
      assert.is_true(net.now_ms() < limit)
    end
    to_server.stream:free()
    to_client.stream:free()
  end)

  describe("after STARTTLS", function()
    local raw

    after_each(function()
      if raw then net.close(raw) end
      raw = nil
    end)

    local function starttls_server()
      local one, two = kit.tcp_pair()
      server = kit.peer(one, {
        readable = function(s)
          local text = s:input()
          if text:find("STARTTLS\r\n", 1, true) and not server.started then
            server.started = true
            s:take(select(2, text:find("STARTTLS\r\n", 1, true)))
            s:write("220 go\r\n")
            s:start_tls(context)
          else
            server.got[#server.got + 1] = s:take()
          end
        end,
      })
      return two
    end

    it("drops plain text that was sent behind it (RFC 3207, 4.2)", function()
      local two = starttls_server()
      net.send(two, "STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
      eventually(function() return server.started end)
      eventually(function() return net.recv(two) == "220 go\r\n" end)
      assert.equal("", server.stream:input())
      client = kit.peer(two)
      client.stream:connect_tls(trusting, "mail.example.test")
      client.stream:append("EHLO x\r\n")
      client.stream:flush(false)
      eventually(function() return server.text() ~= "" end)
      assert.equal("EHLO x\r\n", server.text())
    end)

    it("fails when plain text comes instead of a handshake", function()
      raw = starttls_server()
      net.send(raw, "STARTTLS\r\n")
      eventually(function() return server.started end)
      net.send(raw, "EHLO x\r\n")
      eventually(function() return server.secured end)
      assert.equal("IO", server.secured)
      assert.equal("TLS handshake: the peer does not speak TLS here", server.error)
      assert.is_nil(server.closed)
      assert.equal("", server.text())
    end)

    it("writes the plain reply before the handshake begins, even a long one", function()
      local one, two = kit.tcp_pair()
      server = kit.peer(one)
      local reply = ("x"):rep(3000000) .. "\r\n220 go\r\n"
      server.stream:write(reply)
      server.stream:start_tls(context)
      server.stream:append("secret")                     -- this belongs behind the handshake
      server.stream:flush(false)
      local text = ""
      eventually(function()
        text = text .. (net.recv(two) or "")
        return #text == #reply
      end)
      assert.is_true(text == reply)
      client = kit.peer(two)
      client.stream:connect_tls(trusting, "mail.example.test")
      eventually(function() return client.text() == "secret" end)
      assert.equal("OK", server.secured)
    end)
  end)

  describe("from the first octet", function()
    it("takes a handshake whose beginning was read with a PROXY header", function()
      local one, two = kit.tcp_pair()
      local near, far = kit.tcp_pair()
      client = kit.peer(far)
      server = kit.peer(one, {
        readable = function(s)
          if server.secured then
            server.got[#server.got + 1] = s:take()
          elseif #s:input() > 100 then
            assert.equal("PROXY UNKNOWN\r\n", s:take(15))
            server.early = #s:input()
            s:accept_tls(context)
          end
        end,
      })
      -- A proxy: its header and the ClientHello go out in one piece.
      local to_server, to_client
      to_server = kit.peer(two, { readable = function(s) to_client.stream:write(s:take()) end })
      to_server.stream:append("PROXY UNKNOWN\r\n")
      to_client = kit.peer(near, { readable = function(s) to_server.stream:write(s:take()) end })
      client.stream:connect_tls(trusting, "mail.example.test")
      client.stream:append("EHLO x\r\n")
      client.stream:flush(false)
      eventually(function() return server.text() == "EHLO x\r\n" end)
      assert.is_true(server.early > 100)
      assert.equal("OK", client.secured)
      to_server.stream:free()
      to_client.stream:free()
    end)

    it("takes one that comes afterwards", function()
      local one, two = kit.tcp_pair()
      server, client = kit.peer(one), kit.peer(two)
      server.stream:accept_tls(context)
      client.stream:connect_tls(trusting, "mail.example.test")
      eventually(function() return server.secured and client.secured end)
      assert.equal("OK", server.secured)
    end)
  end)

  describe("says in words why a handshake failed:", function()
    local function failed(client_context, name)
      server, client = kit.secure_pair(context, client_context, name)
    end

    it("the peer closed", function()
      local one, two = kit.tcp_pair()
      server = kit.peer(one)
      server.stream:start_tls(context)
      net.close(two)
      eventually(function() return server.secured end)
      assert.equal("CLOSED", server.secured)
      assert.equal("the peer closed during the TLS handshake", server.error)
      net.run(5)
      assert.is_nil(server.closed)
    end)

    it("the peer speaks HTTP", function()
      local one, two = kit.tcp_pair()
      server = kit.peer(one)
      server.stream:start_tls(context)
      net.send(two, "GET / HTTP/1.1\r\n\r\n")
      eventually(function() return server.secured end)
      assert.equal("TLS handshake: the peer speaks HTTP, not TLS", server.error)
      net.close(two)
    end)

    it("the certificate is for another name; the other side hears an alert", function()
      failed(trusting, "pop.example.test")
      assert.equal("IO", client.secured)
      assert.equal("TLS handshake: the peer's certificate is not trusted: hostname mismatch", client.error)
      -- In TLS 1.3 the server is done before the client looks at the certificate.
      if server.secured == "OK" then eventually(function() return server.closed end) end
      assert.matches('the peer sent the TLS alert "bad certificate"', server.error)
    end)

    it("nobody we trust signed the certificate", function()
      local distrusting = assert(net.tls_client(certificate.leaf, true))
      failed(distrusting, "mail.example.test")
      assert.matches("the peer's certificate is not trusted: ", client.error)
      distrusting:free()
    end)
  end)

  it("does not look at the certificate when it need not", function()
    local careless = assert(net.tls_client(nil, false))
    server, client = kit.secure_pair(context, careless, "anything.example")
    assert.equal("OK", client.secured)
    careless:free()
  end)

  describe("the end", function()
    it("with close_notify is clean", function()
      secured()
      client.stream:write("QUIT\r\n")
      client.stream:free()
      client = nil
      eventually(function() return server.closed end)
      assert.equal("QUIT\r\n", server.text())
      assert.equal("CLOSED", server.closed)
      assert.equal("", server.error)
    end)

    it("without close_notify is an error: somebody may have cut the octets", function()
      local one, two = kit.tcp_pair()
      local near, far = kit.tcp_pair()
      server, client = kit.peer(one), kit.peer(far)
      local to_server = kit.peer(two, { readable = function(s) client.relay:write(s:take()) end })
      local to_client = kit.peer(near, { readable = function(s) to_server.stream:write(s:take()) end })
      client.relay = to_client.stream
      server.stream:start_tls(context)
      client.stream:connect_tls(trusting, "mail.example.test")
      eventually(function() return server.secured and client.secured end)
      net.run(20)                                        -- unread octets would make it a reset
      to_server.stream:free()
      eventually(function() return server.closed end)
      assert.equal("IO", server.closed)
      assert.matches("the peer closed without a TLS close_notify", server.error)
      to_client.stream:free()
    end)

    it("by shutdown writes everything, then close_notify, then waits", function()
      secured()
      local text = ("x"):rep(4000000)
      server.stream:write(text)
      server.stream:shutdown()
      eventually(function() return client.closed end)
      assert.equal(#text, size(client))
      assert.equal("CLOSED", client.closed)
      assert.is_nil(server.closed)
      client.stream:free()
      client = nil
      eventually(function() return server.closed end)
      assert.equal("CLOSED", server.closed)
    end)
  end)

  describe("channel binding", function()
    it("is the same on both sides and differs between connections", function()
      local seen = {}
      for i = 1, 2 do
        secured()
        local exporter = server.stream:binding("tls-exporter")
        assert.equal(32, #exporter)
        assert.equal(exporter, client.stream:binding("tls-exporter"))
        seen[i] = exporter
        local end_point = server.stream:binding("tls-server-end-point")
        assert.equal(32, #end_point)
        assert.equal(end_point, client.stream:binding("tls-server-end-point"))
        server.stream:free()
        client.stream:free()
        server, client = nil, nil
      end
      assert.not_equal(seen[1], seen[2])
    end)

    it("knows only these two", function()
      secured()
      assert.same({ nil, "UNSUPPORTED" }, { server.stream:binding("tls-unique") })
      assert.same({ nil, "UNSUPPORTED" }, { server.stream:binding("") })
    end)

    it("by end point uses the hash of the certificate's signature, SHA-256 for SHA-1", function()
      for digest, length in pairs { sha256 = 32, sha384 = 48, sha512 = 64, sha1 = 32 } do
        local signed = authority:certificate(digest, { "mail.example.test" }, { digest = digest })
        local c = assert(net.tls {
          certificates = { signed },
          ciphers = digest == "sha1" and "ECDHE+AESGCM:@SECLEVEL=0" or nil,
        })
        do
          local careless = assert(net.tls_client(nil, false))
          server, client = kit.secure_pair(c, careless, "mail.example.test")
          assert.equal(length, #server.stream:binding("tls-server-end-point"))
          server.stream:free()
          client.stream:free()
          server, client = nil, nil
          careless:free()
          c:free()
        end
      end
    end)

    it("by end point holds in a resumed session of one certificate", function()
      local resuming = assert(net.tls_client(authority.root, true))
      for i = 1, 2 do
        server, client = kit.secure_pair(context, resuming, "mail.example.test")
        server.stream:write("x")
        eventually(function() return client.text() == "x" end)
        assert.equal(i == 2, server.stream:tls().resumed)
        assert.equal(client.stream:binding("tls-server-end-point"), server.stream:binding("tls-server-end-point"))
        server.stream:free()
        client.stream:free()
        server, client = nil, nil
      end
      resuming:free()
    end)
  end)

  describe("freeing", function()
    it("inside secured() is allowed", function()
      local one, two = kit.tcp_pair()
      local freed
      client = kit.peer(two)
      local s = kit.peer(one, {
        secured = function(stream)
          stream:free()
          freed = true
        end,
      })
      s.stream:start_tls(context)
      client.stream:connect_tls(trusting, "mail.example.test")
      eventually(function() return freed end)
    end)

    it("in the middle of a handshake is allowed", function()
      local one, two = kit.tcp_pair()
      local s = kit.peer(one)
      client = kit.peer(two)
      client.stream:connect_tls(trusting, "mail.example.test")
      s.stream:start_tls(context)
      s.stream:free()
      eventually(function() return client.secured end)
      assert.not_equal("OK", client.secured)
    end)
  end)

  it("holds no buffers while it is idle", function()
    secured()
    client.stream:write(("x"):rep(100000))
    eventually(function() return size(server) == 100000 end)
    net.run(5)
    assert.same({ 0, 0 }, { server.stream:memory() })
    assert.same({ 0, 0 }, { client.stream:memory() })
  end)
end)
