-- message:parts(): what a message is made of.
local script = require "spec.support.script"

local LETTER = (([[
From: a@b.test
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable
X-Part: one

caf=C3=A9
--b
Content-Type: application/x; name="old name"
Content-Disposition: attachment; filename*=utf-8''%D0%B0.exe
Content-Transfer-Encoding: base64

SGVsbG8=
--b--
]]):gsub("\n", "\r\n"))

local function say(text, letter)
  local stage = script.plugin(([[plugin:hook("accept_message", function(session, envelope, message)
    local parts = message:parts() %s end)]]):format(text))
  local answer = script.ask(stage, { hook = "accept_message", message = letter or LETTER })
  return answer.text, answer.kind, stage
end

describe("message:parts", function()
  after_each(script.clean)

  it("lists the message and its parts with what their headers say", function()
    assert.equal("3 multipart/mixed 2 | text/plain utf-8 quoted-printable 1 1 | application/x attachment а.exe 2 old name", say [[
      local m, t, a = parts[1], parts[2], parts[3]
      assert(m.filename == nil and m.charset == nil and m.parent == 0 and not parts.limited)
      return mail.reject(nil, table.concat({ #parts, m.type, m.children, "|", t.type, t.charset, t.encoding, t.parent,
        t.depth, "|", a.type, a.disposition, a.filename, a.number, a.parameters.name }, " ")) ]])
  end)

  it("reads octets as they were sent, and decoded, in pieces or whole", function()
    assert.equal("caf=C3|café|café|Hello|one|", say [[
      local pieces = {}
      for octets in parts[2]:decode() do pieces[#pieces + 1] = octets end
      return mail.reject(nil, table.concat({ parts[2]:read(0, 6), table.concat(pieces), parts[2]:content(),
        parts[3]:content(100), parts[2]:header("x-part"), parts[2]:read(9) }, "|")) ]])
  end)

  it("says when a part is larger than wanted", function()
    assert.equal("nil limit", say [[
      local text, why, word = parts[3]:content(4)
      return mail.reject(nil, tostring(text) .. " " .. word) ]])
    assert.equal("nil limit", say([[
      local text, why, word = parts[1]:content(1)
      return mail.reject(nil, tostring(text) .. " " .. word) ]], "\r\n" .. ("x"):rep(60000)))
  end)

  it("decodes a body larger than one piece", function()
    local letter = "Content-Transfer-Encoding: base64\r\n\r\n" ..
      ("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm\r\n"):rep(1000)
    assert.equal("2 48000 true 0123456789", say([[
      local pieces = {}
      for piece in parts[1]:decode() do pieces[#pieces + 1] = piece end
      local whole = table.concat(pieces)
      return mail.reject(nil, #pieces .. " " .. #whole .. " " .. tostring(whole == parts[1]:content())
        .. " " .. whole:sub(-16, -7)) ]], letter))
  end)

  it("is the author's mistake to ask for what is not there", function()
    local _, kind = say [[ return parts[1].nothing ]]
    assert.equal("tempfail", kind)
    assert.matches('part has no "nothing"; there are type', (script.log():gsub("\\", "")))
  end)

  it("says that there was more", function()
    assert.equal("true", say([[ return mail.reject(nil, tostring(parts.limited)) ]],
      ("Content-Type: message/rfc822\r\n\r\n"):rep(25)))
  end)

  it("goes through a large message in turns, and is dropped with its session", function()
    local folder = script.folder()
    local text = [[plugin:hook("accept_message", function(session, envelope, message)
      local parts = message:parts()
      return mail.reject(nil, #parts .. " " .. parts[1].octets) end)]]
    local letter = "Content-Type: text/plain\r\n\r\n" .. ("a line of the body\r\n"):rep(150000)
    local stage = script.plugin(text)
    local asked = stage:ask { hook = "accept_message", message = letter, spool = folder }
    assert.is_nil(asked:answer())
    stage:run(30000)
    assert.equal("1 3000000", asked:answer().text)
    asked = stage:ask { hook = "accept_message", message = letter, spool = folder }
    asked:cancel()
    assert.equal(0, stage:numbers().running)
    stage:spin(5)
  end)
end)
