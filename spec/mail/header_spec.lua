local mail = require("spec.support.bind")("mail")

describe("header_next", function()
  it("gives name, value and the whole octets of each field until the empty line", function()
    local fields, status, rest = mail.header_fields("Subject: Hello\r\nX-A:b\r\n\r\nBody: no\r\n")
    assert.same({
      { name = "Subject", value = "Hello", whole = "Subject: Hello\r\n" },
      { name = "X-A", value = "b", whole = "X-A:b\r\n" },
    }, fields)
    assert.same({ "END", "Body: no\r\n" }, { status, rest })
  end)

  it("keeps folded values as they stand", function()
    local fields = mail.header_fields("A: one\r\n two\r\n\tthree\r\n \r\nB: c\r\n\r\n")
    assert.equal("one\r\n two\r\n\tthree\r\n", fields[1].value)
    assert.equal("A: one\r\n two\r\n\tthree\r\n \r\n", fields[1].whole)
    assert.equal("B", fields[2].name)
  end)

  it("takes spaces between name and colon and empty values (RFC 5322, 4.5)", function()
    local fields = mail.header_fields("A \t: x\r\nB:\r\n\r\n")
    assert.same({ "A", "x", "B", "" }, { fields[1].name, fields[1].value, fields[2].name, fields[2].value })
  end)

  it("takes a line that is no field off and says so", function()
    local fields = mail.header_fields("From alice Sat Nov 21\r\nA: b\r\n: x\r\n folded\r\nn\u{F6}: x\r\nB: c\r\n\r\n")
    assert.same({ false, "A", false, false, false, "B" }, { fields[1], fields[2].name, fields[3], fields[4],
      fields[5], fields[6].name })
  end)

  it("waits for the octet that tells whether the field goes on", function()
    local whole = "A: b\r\n c\r\n\r\n"
    for cut = 0, #whole - 3 do
      local fields, status, rest = mail.header_fields(whole:sub(1, cut))
      assert.same({ {}, "AGAIN", whole:sub(1, cut) }, { fields, status, rest })
    end
  end)

  it("ends a line at CRLF alone", function()
    local fields = mail.header_fields("A: b\nB: c\rC: d\r\n\r\n")
    assert.same({ "A", "b\nB: c\rC: d" }, { fields[1].name, fields[1].value })
    assert.is_nil(fields[2])
  end)
end)

describe("header_next_of_whole", function()
  it("takes the last field even when nothing follows", function()
    for _, text in ipairs { "A: b\r\nB: c\r\n", "A: b\r\nB: c", "A: b\r\nB: c\r\n\r\n" } do
      local fields, status, rest = mail.header_fields(text, true)
      assert.same({ 2, "B", "c", "END", "" }, { #fields, fields[2].name, fields[2].value, status, rest })
    end
    assert.same({ {}, "END", "" }, { mail.header_fields("", true) })
    assert.same({ { false }, "END", "" }, { mail.header_fields("no field", true) })
  end)
end)

describe("header_count", function()
  local function count_every_way(text)
    local received, octets, over = mail.header_count { text }
    for cut = 1, #text - 1 do
      assert.same({ received, octets, over }, { mail.header_count { text:sub(1, cut), text:sub(cut + 1) } })
    end
    local pieces = {}
    for i = 1, #text do pieces[i] = text:sub(i, i) end
    assert.same({ received, octets, over }, { mail.header_count(pieces) })
    return received, octets, over
  end

  it("counts Received fields and octets up to the empty line", function()
    local head = "Received: from a\r\n\tby b\r\nRECEIVED:x\r\nreceived \t: y\r\nReceived-SPF: z\r\nXReceived: a\r\n" ..
      "Other : a\r\nReceive: d\r\nSubject: Received: no\r\n Received: folded\r\n\r\n"
    assert.same({ 3, #head, true }, { count_every_way(head .. "Received: in the body\r\n\r\n") })
  end)

  it("goes on while there is no empty line", function()
    assert.same({ 1, 20, false }, { count_every_way("Received: x\r\nA: b\r\n\r") })
    assert.same({ 0, 0, false }, { mail.header_count {} })
  end)

  it("does not end a line at a bare CR or LF", function()
    assert.same({ 1, 29, false }, { count_every_way("Received: x\nReceived: y\n\n\r\r\r\n") })
  end)

  it("ends in front of a line that is no field", function()
    assert.same({ 0, 0, true }, { count_every_way("Hello there\r\nReceived: x\r\n") })
    assert.same({ 1, 13, true }, { count_every_way("Received: x\r\nHello\r\nReceived: y\r\n\r\n") })
    assert.same({ 1, 13, true }, { count_every_way("Received: x\r\n: y\r\nReceived: y\r\n\r\n") })
    assert.same({ 0, 0, true }, { count_every_way("n\u{F6}: x\r\nReceived: y\r\n\r\n") })
    assert.same({ 0, 0, true }, { mail.header_count { ("x"):rep(5000) .. "\r\n" } })
  end)

  it("takes an empty header", function()
    assert.same({ 0, 2, true }, { count_every_way("\r\nReceived: x\r\n") })
  end)
end)
