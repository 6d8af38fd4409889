local kit = require "spec.net.kit"
local base, net = kit.base, kit.net

describe("certificate files", function()
  local directory, authority, good

  setup(function()
    directory = kit.directory()
    authority = kit.authority(directory)
    good = authority:certificate("mail", { "mail.example.test" })
  end)

  teardown(function() kit.remove(directory) end)

  local function load(certificate)
    return net.tls { certificates = { certificate } }
  end

  local function failure(certificate)
    local context, err = load(certificate)
    assert.is_nil(context)
    return err
  end

  local function logged(certificate)
    return kit.log_of(directory, function() assert(load(certificate)):free() end)
  end

  it("that are in order load without a word", function()
    assert.equal("", logged(good))
    assert.equal("", logged { chain = good.chain, key = good.key, name = "mail.example.test" })
    assert.equal("", logged { chain = good.chain, key = good.key, name = "MAIL.example.TEST" })
  end)

  it("load with every kind of key", function()
    for _, key in ipairs { "rsa", "ec384", "ed25519" } do
      assert.equal("", logged(authority:certificate(key, { "mail.example.test" }, { key = key })))
    end
  end)

  it("that cannot be read are named with the system's reason", function()
    assert.matches("/none%.pem: cannot read the certificate: No such file or directory$",
      failure { chain = directory .. "/none.pem", key = good.key })
    assert.matches("/none%.key: cannot read the private key: No such file or directory$",
      failure { chain = good.chain, key = directory .. "/none.key" })
    assert.matches("the private key of a certificate is not configured", failure { chain = good.chain })
  end)

  it("that hold something else say what is expected", function()
    local empty = kit.write(directory .. "/empty.pem", "nothing\n")
    assert.matches("^" .. empty .. ": there is no certificate in it: it must be a PEM file",
      failure { chain = empty, key = good.key })
    assert.matches("^" .. good.key .. ": there is no certificate in it",
      failure { chain = good.key, key = good.key })
    assert.matches("^" .. good.chain .. ": there is no private key in it",
      failure { chain = good.chain, key = good.chain })
  end)

  it("that are damaged say so", function()
    local text = kit.read(good.leaf)
    local first = kit.write(directory .. "/first.pem", (text:gsub("MII", "MAA", 1)))
    assert.matches("^" .. first .. ": ", failure { chain = first, key = good.key })
    local second = kit.write(directory .. "/second.pem", text .. text:sub(1, #text // 2))
    assert.matches("^" .. second .. ": the certificate is damaged: ",
      failure { chain = second, key = good.key })
  end)

  it("that do not belong together say which and why", function()
    local other = authority:certificate("other", { "other.example.test" })
    local err = failure { chain = good.chain, key = other.key }
    assert.matches("^" .. other.key .. ": this private key does not belong to the first certificate in ", err)
    assert.matches("own certificate must come first", err)
    local reversed = kit.write(directory .. "/reversed.pem",
      kit.read(directory .. "/middle.pem") .. kit.read(good.leaf))
    assert.matches("own certificate must come first", failure { chain = reversed, key = good.key })
  end)

  it("with a locked key say how to unlock it", function()
    local locked = directory .. "/locked.key"
    assert(os.execute(("openssl pkey -in %s -aes128 -passout pass:secret -out %s 2>/dev/null"):format(good.key, locked)))
    assert.matches("locked with a passphrase.*openssl pkey %-in ", failure { chain = good.chain, key = locked })
  end)

  it("warn when the key is open to everybody", function()
    local open = kit.write(directory .. "/open.key", kit.read(good.key))
    os.execute("chmod 644 " .. open)
    assert.matches("private key is open to everybody.*" .. open, logged { chain = good.chain, key = open })
  end)

  it("warn when the chain does not lead up", function()
    local broken = kit.write(directory .. "/broken.pem", kit.read(good.leaf) .. kit.read(directory .. "/root.pem"))
    assert.matches("certificate chain is broken.*position=2", logged { chain = broken, key = good.key })
  end)

  it("warn when they are not for the configured name", function()
    local function warned(name)
      return logged({ chain = good.chain, key = good.key, name = name }):find("not for the name", 1, true) ~= nil
    end
    assert.is_true(warned("smtp.example.test"))
    assert.is_true(warned("*.example.test"))
    assert.is_false(warned("mail.example.test"))
  end)

  describe("near their end", function()
    after_each(function() base.clock_fake(0) end)

    local function at_day(day)
      base.clock_fake((os.time() + day * 86400) * 1000000)
      return logged(good)
    end

    it("are logged with file and date", function()
      assert.equal("", at_day(70))
      assert.matches("certificate ends soon.*file=" .. good.chain .. " ends=%d%d%d%d%-%d%d%-%d%dT", at_day(80))
      assert.matches("certificate is no longer valid.*ended=%d%d%d%d%-", at_day(91))
      assert.matches("certificate is not valid yet.*check the clock", at_day(-10))
    end)
  end)
end)
