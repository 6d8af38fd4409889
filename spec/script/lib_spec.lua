-- luacheck: no max line length
local script = require "spec.support.script"

---Run the text in a hook; what it returns, as text.
local function value(text, setup)
  local stage = script.plugin(('plugin:hook("accept_recipient", function(session, r) return mail.reject(nil, table.concat({(function() %s end)()}, " ")) end)')
    :format(text), setup)
  return script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text
end

describe("the library", function()
  after_each(script.clean)

  it("knows base64, SHA-256, HMAC and hexadecimal digits", function()
    assert.equal("Zm9v foo not base64", value [[return mail.base64.encode("foo"), mail.base64.decode("Zm9v"), select(2, mail.base64.decode("!"))]])
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      value [[return mail.hex(mail.sha256("abc"))]])
    assert.equal("f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
      value [[return mail.hex(mail.hmac_sha256("key", "The quick brown fox jumps over the lazy dog"))]])
  end)

  it("makes names nobody can guess", function()
    assert.matches("^%w%w%w%w%w%w%w%w 16$", value [[return mail.random(8), #mail.random()]])
  end)

  it("writes log lines with the plugin and the session", function()
    value [[mail.log.warn("odd thing", { path = "a b", n = 5 }) return ""]]
    local log = script.log()
    assert.matches("warn moonpost odd thing plugin=one session=%w+ ", log)
    assert.matches('path="a b"', log)
    assert.matches("n=5", log)
  end)

  it("says that there is no store instead of guessing", function()
    assert.matches("there is no store here", value [[return select(2, mail.users.get("bob"))]])
    assert.matches("there is no store here", value [[return select(2, mail.users.verify("bob", "x"))]])
  end)

  it("hashes and verifies passwords off the loop", function()
    assert.equal("true false false", value([[
      local hash = mail.crypt.hash("secret")
      return tostring(mail.crypt.verify(hash, "secret")), tostring(mail.crypt.verify(hash, "Secret")),
        tostring(mail.crypt.verify(nil, "secret"))]]))
  end)

  it("refuses passwords it cannot hash", function()
    assert.matches("zero octet", value [[return select(2, pcall(mail.crypt.hash, "a\0b"))]])
    assert.matches("512 octets", value [[return select(2, pcall(mail.crypt.hash, ("x"):rep(513)))]])
  end)

  it("takes what cannot be a password for a wrong one: clients may send anything", function()
    assert.equal("false false", value [[
      local hash = mail.crypt.hash("secret")
      return tostring(mail.crypt.verify(hash, "secret\0")) .. " " .. tostring(mail.crypt.verify(hash, ("x"):rep(513)))]])
  end)

  it("knows a password however its letters are composed (RFC 4616, 2)", function()
    assert.equal("true true false", value [[
      local composed, apart = "p\u{fc}", "pu\u{308}"
      return tostring(mail.crypt.verify(mail.crypt.hash(composed), apart)) .. " " ..
        tostring(mail.crypt.verify(mail.crypt.hash(apart), composed)) .. " " ..
        tostring(mail.crypt.verify(mail.crypt.hash(apart), "pu"))]])
  end)

  it("drops a hash whose session has gone", function()
    local stage = script.plugin [[plugin:hook("auth", function() mail.crypt.hash("x") mail.log.info("went on") end)]]
    local asked = stage:ask { hook = "auth", user = "x", password = "x" }
    asked:cancel()
    stage:spin(60)
    assert.is_nil(script.log():find("went on"))
  end)
end)

describe("mail.file", function()
  after_each(script.clean)

  local FILES = { list = '{ "one", options = { path = "data" } }' }
  local HEAD = 'local file, p = mail.file, PATH '

  local function run(text)
    local stage = script.plugin(('local PATH = plugin:options { path = { "file" } }.path plugin:hook("accept_recipient", function() return mail.reject(nil, table.concat({(function() %s %s end)()}, " ")) end)')
      :format(HEAD, text), FILES)
    local answer = script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" })
    return answer.text, script.log()
  end

  it("writes, reads, appends, renames, lists and removes", function()
    assert.equal("abcdef bcd b true notfound", run [[
      assert(file.mkdir(p .. "/x/y"))
      assert(file.write(p .. "/a", { "ab", "c" }, { sync = true }))
      assert(file.write(p .. "/a", "def", { append = true }))
      assert(file.rename(p .. "/a", p .. "/x/y/b", { sync = true }))
      local whole, part = file.read(p .. "/x/y/b"), file.read(p .. "/x/y/b", 1, 3)
      local names = file.list(p .. "/x/y")
      local done = file.remove { p .. "/x/y/b", p .. "/x/y/none" }
      return whole, part, table.concat(names, ","), tostring(done), select(3, file.read(p .. "/x/y/b"))]])
  end)

  it("says what went wrong in a word", function()
    assert.equal("exists notfound io", run [[
      file.mkdir(p) file.write(p .. "/a", "x")
      return select(3, file.write(p .. "/a", "x", { exclusive = true })), select(3, file.stat(p .. "/none")),
        select(3, file.mkdir(p .. "/a/b"))]])
  end)

  it("converts line ends where asked", function()
    assert.equal("3 5 a\13\10b\13 10 From me|>From x|>>From y|", (run [[
      file.mkdir(p) file.write(p .. "/a", "a\nb\n")
      file.write(p .. "/m", { "From me\n", { mbox = "From x\r\n>From y\r\n" } })
      local stat = file.stat(p .. "/a", { crlf = true })
      local text = file.read(p .. "/a", 0, 5, { crlf = true }):gsub("%c", function(c) return c end)
      return stat.size - 1, stat.crlf_size - 1, (text:gsub("[\r\n]", { ["\r"] = "\\13", ["\n"] = "\\10" })),
        10, (file.read(p .. "/m"):gsub("\n", "|"))]]):gsub("\\(%d+)", function(n) return string.char(n) end))
  end)

  it("holds a lock until it is closed", function()
    assert.equal("busy true", run [[
      file.mkdir(p)
      local lock = assert(file.lock(p .. "/l"))
      local _, _, word = file.lock(p .. "/l")
      lock:close()
      return word, tostring(file.lock(p .. "/l") ~= nil)]])
  end)

  it("stays under the paths that the options name", function()
    for _, path in ipairs { "/etc/passwd", "p .. 'x'", "p .. '/../x'", "p .. '/..'" } do
      local text = path:find("^p") and path or ("%q"):format(path)
      assert.matches("lies outside of the paths", (run("return select(2, pcall(file.read, " .. text .. "))")))
    end
  end)
end)

describe("the session object", function()
  after_each(script.clean)

  it("keeps data from hook to hook, and is closed with its session", function()
    local stage = script.plugin [[
      local kept
      plugin:hook("accept_recipient", function(session)
        if kept and kept ~= session then return mail.reject(nil, tostring(kept.closed) .. tostring(pcall(function() return kept.id end))) end
        kept = session
        session.data.n = (session.data.n or 0) + 1
        return mail.reject(nil, session.data.n .. tostring(session.tls and session.tls.version)) end)]]
    local session = stage:session { tls = true }
    local question = { hook = "accept_recipient", address = "bob@example.test", session = session }
    assert.equal("1TLSv1.3", script.ask(stage, question).text)
    assert.equal("2TLSv1.3", script.ask(stage, question).text)
    session:close()
    assert.equal("truefalse", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)

  it("cannot be changed and has no unknown fields", function()
    assert.matches("keep your own values in session.data", value [[return select(2, pcall(function() session.user = "x" end))]])
    assert.matches('session has no field "usr"', value [[return select(2, pcall(function() return session.usr end))]])
  end)
end)

describe("a message that a plugin kept", function()
  after_each(script.clean)

  it("is gone when the hook is over", function()
    local stage = script.plugin [[
      local kept
      plugin:hook("accept_message", function(_, _, message) kept = message end)
      plugin:hook("accept_recipient", function() return mail.reject(nil, select(2, pcall(kept.read, kept))) end)]]
    script.ask(stage, { hook = "accept_message", message = "Subject: x\r\n\r\n" })
    assert.matches("the message is gone", script.ask(stage, { hook = "accept_recipient", address = "bob@example.test" }).text)
  end)
end)
