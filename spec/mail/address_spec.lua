local mail = require("spec.support.bind")("mail")

local function path(text, flags)
  local parts, status = mail.address_path(text, flags)
  return parts, status
end

local function refused(status, text, flags)
  local parts, got = path(text, flags)
  assert.is_nil(parts, ("%q was taken"):format(text))
  assert.equal(status, got, text)
end

describe("address_parse_path", function()
  it("takes the path off the front", function()
    local parts, rest = mail.address_path("<Alice@Example.ORG> SIZE=1")
    assert.equal(" SIZE=1", rest)
    assert.same({ "Alice@example.org", "Alice", "Alice", "example.org", "alice@example.org", false, false },
      { parts.whole, parts.localpart, parts.plain, parts.domain, parts.canonical, parts.utf8, parts.literal })
  end)

  it("takes every character of atext and dots between atoms", function()
    local text = "!#$%&'*+-/=?^_`{|}~.0aZ.b"
    assert.equal(text, path("<" .. text .. "@x>").plain)
  end)

  it("refuses what RFC 5321, 4.1.2 does not have", function()
    for _, text in ipairs { "", "<", ">", "<>", "alice@x", "<alice@x", "alice@x>", "<alice>", "<@x>", "<alice@>",
      "<alice@@x>", "<alice@x@y>", "< alice@x>", "<alice@x >", "<alice @x>", "<alice@ x>", "<.alice@x>",
      "<alice.@x>", "<a..b@x>", "<alice@x.>", "<alice@.x>", "<alice@x..y>", "<alice@-x>", "<alice@x->",
      "<alice@x.-y.z>", "<alice@x-.y>", "<a(c)@x>", "<a,b@x>", "<a:b@x>", "<a;b@x>", "<a\\b@x>", "<a[b@x>",
      "<a\0b@x>", "<alice@x\0y>", "<a\tb@x>", "<alice@x!y>", "<alice@x,y>", "<<alice@x>>", "<alice@x\r>",
      "<a\127@x>", "<Alice Liddell <alice@x>>", "<alice@[]>", "<alice@[1.2.3.4>", "<alice@1.2.3.4]>" } do
      refused("SYNTAX", text)
    end
  end)

  it("lets an underscore in a domain pass: common and harmless", function()
    assert.equal("my_host.example", path("<a@my_host.example>").domain)
  end)

  it("gives the null reverse-path only where it is allowed", function()
    local parts, rest = mail.address_path("<> BODY=7BIT", "e")
    assert.same({ "", "", "", " BODY=7BIT" }, { parts.whole, parts.localpart, parts.domain, rest })
    assert.equal("", path("<>", "e").whole)
    refused("SYNTAX", "<>", "pu")
    refused("SYNTAX", "< >", "e")
  end)

  it("takes postmaster without a domain, in any case, and nobody else", function()
    local parts = path("<PostMaster>", "p")
    assert.same({ "PostMaster", "", "postmaster" }, { parts.whole, parts.domain, parts.canonical })
    refused("SYNTAX", "<postmaster>", "eu")
    refused("SYNTAX", "<hostmaster>", "p")
    refused("SYNTAX", "<postmaster@>", "p")
  end)

  it("takes source routes and ignores them", function()
    assert.equal("alice@example.org", path("<@relay.example:alice@example.org>").whole)
    assert.equal("alice@example.org", path("<@a.example,@[10.0.0.1],@b:alice@example.org>").whole)
    for _, text in ipairs { "<@a:>", "<@a,:alice@x>", "<@a,b:alice@x>", "<@:alice@x>", "<@a alice@x>",
      "<@a;alice@x>", "<@a,@b alice@x>", "<:alice@x>", "<@a:@b:alice@x>", "<@a:postmaster>" } do
      refused("SYNTAX", text)
    end
    refused("SYNTAX", "<@a:>", "e")
  end)

  describe("with a quoted local part", function()
    it("gives it as written and what it means", function()
      local parts = path([[<"John \"Q\" Public"@example.org>]])
      assert.equal([["John \"Q\" Public"]], parts.localpart)
      assert.equal([[John "Q" Public]], parts.plain)
      assert.equal([["John \"Q\" Public"@example.org]], parts.whole)
      assert.equal([[john "q" public@example.org]], parts.canonical)
    end)

    it("takes what atoms may not hold", function()
      assert.equal("a@b", path([[<"a@b"@x>]]).plain)
      assert.equal("a>b", path([[<"a>b"@x>]]).plain)
      assert.equal("..", path([[<".."@x>]]).plain)
      assert.equal("", path([[<""@x>]]).plain)
      assert.equal([[a\b]], path([[<"a\\b"@x>]]).plain)
    end)

    it("refuses controls, an open quote and text around the quotes", function()
      for _, text in ipairs { [[<"a@x>]], [[<"a"b@x>]], [[<a"b"@x>]], [[<"a\"@x>]], "<\"a\0b\"@x>", "<\"a\tb\"@x>",
        "<\"a\\\r\"@x>", "<\"a\127\"@x>", [[<"a"."b"@x>]], "<\"a\\\n\"@x>", [["a"@x]], [[<"a]], [[<"a\]] } do
        refused("SYNTAX", text)
      end
    end)
  end)

  describe("with an address literal", function()
    it("takes IPv4, IPv6 and tagged ones", function()
      for _, literal in ipairs { "[127.0.0.1]", "[255.255.255.255]", "[001.02.3.0]", "[IPv6:::1]",
        "[IPv6:2001:db8::1]", "[ipv6:::ffff:1.2.3.4]", "[IPv6:1:2:3:4:5:6:7:8]", "[x400:c=de;a=x]" } do
        local parts = path("<a@" .. literal .. ">")
        assert.truthy(parts, literal)
        assert.same({ literal:lower(), true }, { parts.domain, parts.literal })
      end
    end)

    it("refuses numbers and forms that are none", function()
      for _, literal in ipairs { "[256.0.0.1]", "[1.2.3]", "[1.2.3.4.5]", "[1.2.3.4.]", "[.1.2.3.4]", "[1..2.3]",
        "[1.2.3.0004]", "[::1]", "[IPv6:]", "[IPv6:1.2.3.4]", "[IPv6:::g]", "[IPv6:1:2:3:4:5:6:7:8:9]", "[tag:]",
        "[:x]", "[tag-:x]", "[ 1.2.3.4]", "[1.2.3.4 ]", "[tag:a b]", "[tag:a[b]", "[tag:a\\b]", "[tag:a\127]",
        "[1.2.3.4].example", "[IPv6:" .. ("0"):rep(60) .. "]", "[IPv6:::1\0]" } do
        refused("SYNTAX", "<a@" .. literal .. ">")
      end
    end)
  end)

  describe("with the limits of RFC 5321, 4.5.3.1", function()
    it("takes 64 octets of local part and not 65", function()
      assert.truthy(path("<" .. ("l"):rep(64) .. "@x>"))
      refused("TOOBIG", "<" .. ("l"):rep(65) .. "@x>")
      refused("TOOBIG", '<"' .. ("l"):rep(63) .. '"@x>')
    end)

    it("takes 256 octets of path, brackets counted, and not 257", function()
      local function domain(n)
        local text = ("d"):rep(60) .. "." .. ("d"):rep(60) .. "." .. ("d"):rep(60) .. "."
        return text .. ("d"):rep(n - #text)
      end
      assert.truthy(path("<" .. ("l"):rep(10) .. "@" .. domain(243) .. ">"))
      refused("TOOBIG", "<" .. ("l"):rep(11) .. "@" .. domain(243) .. ">")
      refused("TOOBIG", "<@" .. domain(243) .. ":abcdefghij@x>")
    end)

    it("takes 63 octets of label and not 64", function()
      assert.truthy(path("<a@" .. ("d"):rep(63) .. ".x>"))
      refused("SYNTAX", "<a@" .. ("d"):rep(64) .. ".x>")
    end)

    it("calls broken grammar SYNTAX even when it is long", function()
      refused("SYNTAX", "<" .. ("l"):rep(65) .. "@x")
      refused("SYNTAX", "<" .. ("l"):rep(65) .. ">")
    end)
  end)

  describe("with octets above 127", function()
    it("takes UTF-8 in both parts with SMTPUTF8 (RFC 6531)", function()
      local parts = path("<Ольга@пример.ИСПЫТАНИЕ.example>", "u")
      assert.same({ "Ольга", true }, { parts.plain, parts.utf8 })
      assert.equal("Ольга@пример.ИСПЫТАНИЕ.example", parts.whole)
      assert.is_true(path('<"ö "@x>', "u").utf8)
      assert.is_false(path("<a@x>", "u").utf8)
    end)

    it("refuses them without, and broken UTF-8 always", function()
      refused("SYNTAX", "<Ольга@example.org>")
      refused("SYNTAX", '<"Ольга"@example.org>')
      for _, text in ipairs { "<a\127@x>", "<\"a\127\"@x>", "<\"a\1\"@x>", "<a@x\127>" } do
        refused("SYNTAX", text, "u")
      end
      refused("SYNTAX", "<olga@пример.example>")
      for _, text in ipairs { "<\255@x>", "<a@\xc0\xaf>", "<\xed\xa0\x80@x>", '<"\xff"@x>', "<a\xd0@x>" } do
        refused("SYNTAX", text, "u")
      end
      refused("SYNTAX", '<"\\\xc3\xb6"@x>', "u")
    end)
  end)

  it("survives being cut anywhere", function()
    local text = '<@a,@[10.0.0.1]:"x \\" y"@[IPv6:::1]>'
    assert.truthy(path(text))
    for cut = 0, #text - 1 do refused("SYNTAX", text:sub(1, cut), "epu") end
  end)
end)

describe("address_parse_mailbox", function()
  it("wants the whole text to be one mailbox", function()
    assert.equal("alice@x", mail.address_mailbox("alice@X").whole)
    for _, text in ipairs { "", "<alice@x>", "alice@x ", " alice@x", "alice@x>", "alice", "@x:alice@x" } do
      assert.is_nil((mail.address_mailbox(text)), text)
    end
    local function long(n) return ("l"):rep(64) .. "@" .. ("d."):rep(94) .. ("d"):rep(n - 64 - 1 - 188) end
    assert.equal(254, #mail.address_mailbox(long(254)).whole)
    assert.same({ nil, "TOOBIG" }, { mail.address_mailbox(long(255)) })
    assert.truthy(mail.address_mailbox("", "e"))
    assert.truthy(mail.address_mailbox("postmaster", "p"))
  end)
end)

describe("address_check_domain", function()
  it("takes names and literals", function()
    for _, name in ipairs { "localhost", "mx.example.org", "a-b.example", "192.168.0.1", "[192.168.0.1]",
      "[IPv6:::1]", "my_host", "x.1" } do
      assert.equal("OK", mail.address_domain(name), name)
    end
    assert.equal("OK", mail.address_domain("пример", true))
  end)

  it("refuses the rest", function()
    for _, name in ipairs { "", "a b", "a..b", ".a", "a.", "-a", "a-", "a@b", "[x", "a\0", "пример", "[1.2.3.4]x",
      "a;b", "<a>", ("d"):rep(64), ("d."):rep(127) .. "dd" } do
      assert.equal("SYNTAX", mail.address_domain(name), name)
    end
    assert.equal("OK", mail.address_domain(("d."):rep(127) .. "d"))
    assert.equal("SYNTAX", mail.address_domain("\xff", true))
  end)
end)

describe("address_split_detail", function()
  it("splits at the first delimiter", function()
    assert.same({ "alice", "news+more" }, { mail.address_split("alice+news+more", "+") })
    assert.same({ "alice", "" }, { mail.address_split("alice+", "+") })
    assert.same({ "alice+x", "" }, { mail.address_split("alice+x", "") })
    assert.same({ "alice+x", "" }, { mail.address_split("alice+x", "-") })
  end)

  it("leaves a name that begins with the delimiter whole", function()
    assert.same({ "+news", "" }, { mail.address_split("+news", "+") })
  end)
end)
