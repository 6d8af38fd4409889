local script = require "spec.support.script"

local PASSWORD = "correct horse"
local hash

local function hash_of(stage)
  local answer = script.ask(stage, { hook = "auth", user = "hash", password = PASSWORD })
  return answer.text
end

-- One real yescrypt hash for all specs here.
setup(function()
  local stage = script.plugin [[plugin:hook("auth", function(_, c)
    return mail.reject(nil, assert(mail.crypt.hash(c.password))) end)]]
  hash = hash_of(stage)
  script.clean()
end)

teardown(script.clean)

local function login(stage, user, password, authzid)
  return script.ask(stage, { hook = "auth", mechanism = "PLAIN", user = user, password = password,
    authzid = authzid or "" })
end

describe("auth_users", function()
  local stage

  before_each(function()
    stage = script.new { list = '"auth_users"',
      extra = ('users = { { name = "carol@example.test", password = %q, quota_octets = 99 } }'):format(hash) }
  end)
  after_each(script.clean)

  it("lets a user of the configuration in", function()
    local answer = login(stage, "carol@example.test", PASSWORD)
    assert.equal("accept", answer.kind)
    assert.equal("carol@example.test", answer.mailbox)
    assert.equal(99, answer.quota_octets)
  end)

  it("adds the default domain, and does not mind case", function()
    assert.equal("carol@example.test", login(stage, "CAROL", PASSWORD).user)
  end)

  it("has no opinion about a wrong password and about strangers", function()
    assert.equal("none", login(stage, "carol", "wrong").kind)
    assert.equal("none", login(stage, "mallory", PASSWORD).kind)
  end)

  it("remembers a right password: the second login does not hash", function()
    login(stage, "carol", PASSWORD)
    local asked = stage:ask { hook = "auth", mechanism = "PLAIN", user = "carol", password = PASSWORD,
      authzid = "" }
    -- At once, or on the next turn when the guard's tick fell on this call; a hash takes longer.
    if not asked:answer() then stage:run(3) end
    assert.equal("accept", asked:answer().kind)
    asked = stage:ask { hook = "auth", mechanism = "PLAIN", user = "carol", password = "wrong", authzid = "" }
    assert.is_nil(asked:answer())
    stage:run(5000)
    assert.equal("none", asked:answer().kind)
  end)

  it("lets nobody act for another user", function()
    assert.equal("reject", login(stage, "carol", PASSWORD, "bob").kind)
  end)

  it("has no secret for an account without one", function()
    assert.equal("none", script.ask(stage, { hook = "secret", mechanism = "APOP", user = "carol" }).kind)
  end)
end)

describe("auth_file", function()
  local stage, folder

  before_each(function()
    folder = script.folder()
    script.write(folder .. "/users.txt", "# a comment\nalice@example.test:" .. hash ..
      ":1000:1000::/home/alice\nbob:{CRYPT}" .. hash .. "\nlocked:!" .. hash .. "\nempty:\n")
    stage = script.new { folder = folder,
      list = '{ "auth_file", options = { path = "users.txt", check_every = 0 } }' }
  end)
  after_each(script.clean)

  it("lets the file's users in, with and without domain", function()
    assert.equal("alice@example.test", login(stage, "alice@example.test", PASSWORD).mailbox)
    assert.equal("alice@example.test", login(stage, "alice", PASSWORD).mailbox)
    assert.equal("bob@example.test", login(stage, "bob@example.test", PASSWORD).mailbox)
  end)

  it("has no opinion about others", function()
    for _, name in ipairs { "locked", "empty", "mallory", "#" } do
      assert.equal("none", login(stage, name, PASSWORD).kind)
    end
    assert.equal("none", login(stage, "alice", "wrong").kind)
  end)

  it("reads the file again when it has changed", function()
    assert.equal("none", login(stage, "dora", PASSWORD).kind)
    script.write(folder .. "/users.txt", "dora:" .. hash .. "\n")
    assert.equal("accept", login(stage, "dora", PASSWORD).kind)
    assert.equal("none", login(stage, "alice", PASSWORD).kind)
  end)

  it("is a temporary failure when the file is away", function()
    os.remove(folder .. "/users.txt")
    local answer = login(stage, "alice", PASSWORD)
    assert.equal("tempfail", answer.kind)
    assert.matches("users.txt", script.log())
  end)
end)
