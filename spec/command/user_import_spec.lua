-- user import: hashes of other systems, in thousands.
local server = require "spec.support.server"
local dkjson = require "dkjson"

-- "secret-1" with crypt(3), by its methods
local hashes = {
  md5 = "$1$saltsalt$", sha256 = "$5$saltsalt$", sha512 = "$6$saltsalt$",
}

local function crypt(prefix, password)
  local pipe = assert(io.popen(("openssl passwd -%s -salt saltsalt %s"):format(prefix:sub(2, 2), password)))
  local hash = pipe:read("l")
  pipe:close()
  return hash
end

describe("moonpost user import", function()
  local s

  local function signs_in(user, password)
    local m = s:maildrop(user, password)
    if m then
      m:ask("QUIT")
      m:close()
    end
    return m ~= nil
  end

  setup(function() s = server.start() end)
  teardown(function() s:stop() end)

  local function import(text, ...)
    local file = assert(io.open(s.dir .. "/users", "w"))
    file:write(text)
    file:close()
    return s:command { "user", "import", s.dir .. "/users", ... }
  end

  it("takes hashes of other systems, and their users sign in", function()
    local lines = { "# users of the old server", "" }
    for name, prefix in pairs(hashes) do
      local hash = crypt(prefix, "secret-1")
      assert.is_truthy(hash:find(prefix, 1, true), hash)
      lines[#lines + 1] = ("%s@example.test:%s"):format(name, hash)
    end
    lines[#lines + 1] = "dovecot@example.test:{SHA512-CRYPT}" .. crypt("$6$", "secret-1") .. ":1000:1000::/home/x::"
    lines[#lines + 1] = "plain:{PLAIN}secret-1"
    lines[#lines + 1] = "des:{CRYPT}abhPa9xZj5ivU"
    local code, output = import(table.concat(lines, "\r\n") .. "\n")
    assert.equal(0, code, output)
    assert.is_truthy(output:find("6 users added", 1, true), output)
    for _, name in ipairs { "md5", "sha256", "sha512", "dovecot", "plain", "des" } do
      assert.is_true(signs_in(name .. "@example.test", "secret-1"), name)
      assert.is_false(signs_in(name .. "@example.test", "2-secret"), name)
    end
  end)

  it("tells the line of what is wrong and takes the rest", function()
    local good = crypt("$6$", "x")
    local code, output = import("one@example.test:" .. good .. "\nno colon\ntwo@example.test:plain text\n" ..
      "three@example.test:" .. good:sub(1, 60) .. "\nfour@example.test:" .. good .. "\n@:" .. good .. "\n")
    assert.equal(1, code)
    assert.is_truthy(output:find("/users:2: a line is name:hash", 1, true), output)
    assert.is_truthy(output:find("/users:3: this is not a crypt(3) hash", 1, true), output)
    assert.is_truthy(output:find("/users:4: the hash is cut off", 1, true), output)
    assert.is_truthy(output:find("/users:6: ", 1, true), output)
    assert.is_truthy(output:find("2 users added", 1, true), output)
  end)

  it("leaves who is there already, but with --replace", function()
    local code, output = import("bob@example.test:" .. crypt("$6$", "other") .. "\n")
    assert.equal(1, code)
    assert.is_truthy(output:find("users:1: user bob@example.test is there already", 1, true), output)
    assert.is_true(signs_in("bob@example.test", "bob-secret"))
    assert.equal(0, (import("bob@example.test:" .. crypt("$6$", "other") .. "\n", "--replace")))
    assert.is_true(signs_in("bob@example.test", "other"))
  end)

  it("takes thousands quickly, and --dry-run takes none", function()
    local hash, lines = crypt("$6$", "x"), {}
    for i = 1, 5000 do lines[i] = ("many%d@example.test:%s"):format(i, hash) end
    local text = table.concat(lines, "\n") .. "\n"
    local code, output = import(text, "--dry-run", "--json")
    assert.equal(0, code, output)
    assert.equal(5000, math.tointeger(dkjson.decode(output).added))
    local began = os.time()
    code, output = import(text, "--json")
    assert.equal(0, code, output)
    assert.equal(5000, math.tointeger(dkjson.decode(output).added))
    assert.is_true(os.time() - began < 20)
  end)
end)
