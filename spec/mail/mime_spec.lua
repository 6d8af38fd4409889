local mime = require "spec.support.bind" ("mime")

local function lines(text) return (text:gsub("\n", "\r\n")) end

local LETTER = lines [[
From: a@b.test
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner

plain text
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>=C3=A9</p>
--inner--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename="a.pdf"
Content-Transfer-Encoding: BASE64
Content-ID: <one@b.test>

JVBERg==
--outer
Content-Type: message/rfc822

Subject: within
Content-Type: text/plain; name=old.txt

body of it

--outer--
epilogue
]]

describe("mime", function()
  local function body(text, part) return text:sub(part.offset + 1, part.offset + part.octets) end

  it("finds the parts and their octets, however the input is cut", function()
    for _, piece in ipairs { 1, 2, 7, 64, 100000 } do
      local parts, limited = mime.mime(LETTER, piece)
      local seen = {}
      for i, p in ipairs(parts) do
        seen[i] = ("%d %s %d.%d %s"):format(p.depth, p.type, p.parent or 0, p.number,
          p.children > 0 and "" or body(LETTER, p))
      end
      assert.same({ "0 multipart/mixed 0.1 ", "1 multipart/alternative 1.1 ", "2 text/plain 2.1 plain text",
        "2 text/html 2.2 <p>=C3=A9</p>", "1 application/pdf 1.2 JVBERg==", "1 message/rfc822 1.3 ",
        "2 text/plain 6.1 body of it\r\n" }, seen)
      assert.is_false(limited)
    end
  end)

  it("reads what their headers say", function()
    local parts = mime.mime(LETTER)
    assert.same({ "attachment", "a.pdf", "base64", "one@b.test" },
      { parts[5].disposition, parts[5].filename, parts[5].encoding, parts[5].id })
    assert.equal("utf-8", parts[4].params.charset)
    assert.equal("old.txt", parts[7].filename)
    assert.equal("Subject: within\r\n", LETTER:sub(parts[7].header_offset + 1, parts[7].header_offset + 17))
    assert.equal("", parts[3].disposition)
  end)

  it("takes a message without MIME for one part of text", function()
    local text = lines "Subject: x\n\nhello\n"
    local parts = mime.mime(text)
    assert.equal(1, #parts)
    assert.same({ "text/plain", "hello\r\n" }, { parts[1].type, body(text, parts[1]) })
    assert.equal(1, #mime.mime "")
    assert.equal(0, mime.mime("Subject: no body\r\n")[1].octets)
  end)

  it("bears what real mail has: no final boundary, a part without an empty line, an mbox line, lone LF", function()
    local text = lines "From someone\nContent-Type: multipart/mixed; boundary=b\n\n--b  \nno header here\n--b\nContent-Type: a/b\n"
    local parts = mime.mime(text)
    assert.equal(3, #parts)
    assert.equal("no header here", body(text, parts[2]))
    assert.equal("a/b", parts[3].type)
    assert.equal(2, #mime.mime "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n")
  end)

  it("goes by whole boundaries", function()
    local text = lines "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bc\n-- b\n--b-\n--b--x\n--b--\n--b\n"
    local parts = mime.mime(text)
    assert.equal(2, #parts)
    assert.equal("--bc\r\n-- b\r\n--b-\r\n--b--x", body(text, parts[2]))
  end)

  it("ends inner parts at an outer boundary", function()
    local text = lines [[
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/mixed; boundary=i

--i
Content-Type: message/rfc822

Subject: x
--o

last
--o--
]]
    local types = {}
    for i, p in ipairs(mime.mime(text)) do types[i] = p.depth .. p.type .. p.octets end
    assert.equal("1text/plain4", types[#types])
    assert.equal(5, #types)
  end)

  it("knows that parts of a digest are messages", function()
    local parts = mime.mime(lines "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: x\n\nbody\n--d--\n")
    assert.equal("message/rfc822", parts[2].type)
    assert.equal("text/plain", parts[3].type)
  end)

  it("goes 20 levels deep and says when there is more", function()
    local text = {}
    for i = 1, 30 do text[i] = lines(("Content-Type: multipart/mixed; boundary=b%dx\n\n--b%dx\n"):format(i, i)) end
    local parts, limited = mime.mime(table.concat(text))
    assert.is_true(limited)
    assert.equal(21, #parts)
    local _, message = mime.mime(("Content-Type: message/rfc822\r\n\r\n"):rep(30))
    assert.is_true(message)
  end)

  it("takes 1000 parts and says when there are more", function()
    local head = lines "Content-Type: multipart/mixed; boundary=b\n\n"
    local parts, limited = mime.mime(head .. ("--b\r\n\r\nx\r\n"):rep(999))
    assert.same({ 1000, false }, { #parts, limited })
    parts, limited = mime.mime(head .. ("--b\r\n\r\nx\r\n"):rep(1500))
    assert.same({ 1000, true }, { #parts, limited })
  end)

  it("looks at 64 KiB of a header and says when there is more", function()
    local text = ("X-A: " .. ("y"):rep(1000) .. "\r\n"):rep(70) .. "Content-Type: a/b\r\n\r\nbody"
    local parts, limited = mime.mime(text)
    assert.same({ true, "text/plain", 4 }, { limited, parts[1].type, parts[1].octets })
    local _, one_line = mime.mime("X: " .. ("y"):rep(70000) .. "\r\n\r\nbody")
    assert.is_true(one_line)
  end)

  it("keeps at most 1 MiB of what parts say", function()
    local part = "--b\r\nContent-Type: a/b; x=\"" .. ("y"):rep(8000) .. "\"\r\n\r\n"
    local parts, limited = mime.mime("Content-Type: multipart/mixed; boundary=b\r\n\r\n" .. part:rep(900))
    assert.same({ 901, true }, { #parts, limited })
    assert.equal("text/plain", parts[901].type)
  end)
end)
