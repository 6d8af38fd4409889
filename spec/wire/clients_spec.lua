-- Real clients, as people have them: curl, Python, swaks, msmtp, mpop, openssl.
local server = require "spec.support.server"
local tree = require "spec.support.tree"

local ALICE, BOB = "alice@example.test", "bob@example.test"

describe("real clients", function()
  local s, ca

  setup(function()
    s = server.start()
    ca = s.tls .. "/ca.pem"
  end)
  teardown(function() s:stop() end)

  local function write(name, text)
    local path = s.dir .. "/" .. name
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    return path
  end

  local function run(argv, input)
    local code, output = server.run(argv, input)
    assert.equal(0, code, table.concat(argv, " ") .. "\n" .. output)
    return output
  end

  ---Take all of bob's mail away; the bodies behind the trace header.
  local function bobs_mail()
    local c = assert(s:maildrop(BOB))
    local count, bodies = tonumber((c:ask("STAT"):match("^%+OK (%d+)"))), {}
    for i = 1, count do
      bodies[i] = select(2, c:fetch("RETR " .. i))
      c:ask("DELE " .. i)
    end
    c:ask("QUIT")
    c:close()
    return bodies
  end

  local function one_with(text)
    local bodies = bobs_mail()
    assert.equal(1, #bodies)
    assert.is_truthy(bodies[1]:find(text, 1, true), bodies[1])
    return bodies[1]
  end

  local letter = "From: Alice <alice@example.test>\nTo: bob@example.test\nSubject: letter\n\n" ..
    "Hello Bob\n.\n..two dots\nlast line\n"
  local sent = letter:gsub("\n", "\r\n")

  describe("curl", function()
    local function send(url, ...)
      local argv = { "curl", "-sS", "--crlf", "--cacert", ca, "--mail-from", ALICE, "--mail-rcpt", BOB, "-T",
        write("letter.txt", letter), url }
      for _, word in ipairs { ... } do argv[#argv + 1] = word end
      run(argv)
    end

    it("sends in clear to the MTA port", function()
      send("smtp://localhost:" .. s.ports.mta)
      one_with(sent)
    end)

    it("sends with STARTTLS and a login", function()
      send("smtp://localhost:" .. s.ports.submission, "--ssl-reqd", "--user", ALICE .. ":alice-secret")
      one_with(sent)
    end)

    it("sends over TLS, with each login method it knows", function()
      for _, method in ipairs { "PLAIN", "LOGIN" } do
        send("smtps://localhost:" .. s.ports.submissions, "--login-options", "AUTH=" .. method,
          "--user", ALICE .. ":alice-secret")
        one_with(sent)
      end
    end)

    it("is told when the password is wrong", function()
      local code = server.run { "curl", "-sS", "--cacert", ca, "--mail-from", ALICE, "--mail-rcpt", BOB, "--crlf",
        "-T", write("letter.txt", letter), "--user", ALICE .. ":wrong", "smtps://localhost:" .. s.ports.submissions }
      assert.equal(67, code)
    end)

    it("lists and fetches in clear, with STLS and over TLS", function()
      send("smtp://localhost:" .. s.ports.mta)
      for _, way in ipairs {
        { "pop3://localhost:" .. s.ports.pop3 },
        { "pop3://localhost:" .. s.ports.pop3, "--ssl-reqd" },
        { "pop3s://localhost:" .. s.ports.pop3s },
      } do
        local function curl(path)
          return run { "curl", "-sS", "--cacert", ca, "--user", BOB .. ":bob-secret", way[2] or "-s", way[1] .. path }
        end
        local list = curl("/")
        assert.is_truthy(list:find("^1 %d+"), list)
        local text = curl("/1")
        assert.is_truthy(text:find(sent, 1, true), text)
      end
      bobs_mail()
    end)
  end)

  describe("Python", function()
    for _, transport in ipairs { "clear", "starttls", "tls" } do
      it("sends with smtplib and fetches with poplib: " .. transport, function()
        local smtp = ({ clear = "mta", starttls = "submission", tls = "submissions" })[transport]
        local pop3 = transport == "tls" and "pop3s" or "pop3"
        local output = run { "python3", "spec/wire/clients.py", transport, tostring(s.ports[smtp]),
          tostring(s.ports[pop3]), ca }
        assert.is_truthy(output:find("all is well", 1, true), output)
      end)
    end
  end)

  describe("swaks", function()
    local function swaks(...)
      return run { "swaks", "--from", ALICE, "--to", BOB, "--server", "127.0.0.1", "--body", "by swaks",
        "--helo", "client.example", ... }
    end

    it("sends in clear, also in a pipeline", function()
      swaks("--port", tostring(s.ports.mta))
      one_with("by swaks")
      swaks("--port", tostring(s.ports.mta), "--pipeline")
      one_with("by swaks")
    end)

    it("signs in over TLS with PLAIN and LOGIN", function()
      for _, method in ipairs { "PLAIN", "LOGIN" } do
        swaks("--port", tostring(s.ports.submission), "--tls", "--auth", method, "--auth-user", ALICE,
          "--auth-password", "alice-secret")
        one_with("by swaks")
        swaks("--port", tostring(s.ports.submissions), "--tls-on-connect", "--auth", method, "--auth-user", ALICE,
          "--auth-password", "alice-secret")
        one_with("by swaks")
      end
    end)

    it("sees a refusal of an unknown recipient", function()
      local code, output = server.run { "swaks", "--from", ALICE, "--to", "nobody@example.test", "--server",
        "127.0.0.1", "--port", tostring(s.ports.mta), "--helo", "client.example" }
      assert.equal(24, code, output)
      assert.is_truthy(output:find("550 5.1.1", 1, true), output)
    end)
  end)

  describe("msmtp", function()
    local function msmtp(options)
      local rc = write("msmtprc", "account default\nhost 127.0.0.1\nfrom " .. ALICE .. "\nuser " .. ALICE ..
        "\npassword alice-secret\ntls_trust_file " .. ca .. "\n" .. options .. "\n")
      require("spec.support.bind")("process").chmod(rc, 384)
      run({ "msmtp", "-C", rc, BOB }, letter)
      one_with("Hello Bob\r\n.\r\n..two dots\r\nlast line\r\n")
    end

    it("sends with STARTTLS and over TLS", function()
      msmtp("port " .. s.ports.submission .. "\ntls on\ntls_starttls on\nauth plain")
      msmtp("port " .. s.ports.submissions .. "\ntls on\ntls_starttls off\nauth login")
    end)

    it("signs in with SCRAM-SHA-256, and with what it likes best", function()
      msmtp("port " .. s.ports.submissions .. "\ntls on\ntls_starttls off\nauth scram-sha-256")
      msmtp("port " .. s.ports.submission .. "\ntls on\ntls_starttls on\nauth on")
    end)
  end)

  describe("mpop", function()
    local function mpop(options)
      local maildir = s.dir .. "/Maildir"
      assert(os.execute("rm -rf '" .. maildir .. "' && mkdir -p '" .. maildir .. "/tmp' '" .. maildir .. "/new' '" ..
        maildir .. "/cur'"))
      assert.is_true((s:deliver("x@y.example", BOB, sent)))
      assert.is_true((s:deliver("x@y.example", BOB, sent)))
      local rc = write("mpoprc", "account default\nhost 127.0.0.1\nuser " .. BOB .. "\npassword bob-secret\n" ..
        "delivery maildir " .. maildir .. "\nuidls_file " .. s.dir .. "/uidls\nkeep off\ntls_trust_file " .. ca ..
        "\n" .. options .. "\n")
      require("spec.support.bind")("process").chmod(rc, 384)
      run { "mpop", "-C", rc }
      local files = {}
      for name in require("lfs").dir(maildir .. "/new") do
        if name:sub(1, 1) ~= "." then files[#files + 1] = tree.read(maildir .. "/new/" .. name) end
      end
      assert.equal(2, #files)
      for _, text in ipairs(files) do assert.is_truthy(text:find("..two dots\nlast line\n", 1, true), text) end
      assert.same({}, bobs_mail())
    end

    it("fetches and deletes in clear, with STLS and over TLS", function()
      mpop("port " .. s.ports.pop3 .. "\ntls off\nauth user\npipelining on")
      mpop("port " .. s.ports.pop3 .. "\ntls on\ntls_starttls on\nauth plain")
      mpop("port " .. s.ports.pop3s .. "\ntls on\ntls_starttls off\nauth scram-sha-256\npipelining on")
    end)
  end)

  it("openssl s_client types a dialogue by hand", function()
    local output = run({ "sh", "-c", ("{ sleep 0.3; printf 'USER %s\\nPASS bob-secret\\n'; sleep 0.5; " ..
      "printf 'STAT\\nQUIT\\n'; sleep 0.3; } | openssl s_client -quiet -crlf -verify_return_error -CAfile %s " ..
      "-connect 127.0.0.1:%d 2>&1"):format(BOB, ca, s.ports.pop3s) })
    assert.is_truthy(output:find("+OK 0 0", 1, true), output)
    assert.is_truthy(output:find("signing off", 1, true), output)
  end)
end)
