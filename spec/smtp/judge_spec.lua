-- accept_delivery and on_accept: between the last octet and the delivery.
local smtp = require "spec.support.smtp"

---A peer with that many recipients behind DATA; answers: hook or hook and recipient -> verdict.
local function server(count, answers, options)
  options = options or {}
  local asked = {}
  options.policy = function(q)
    if q.hook == "accept_recipient" then return { kind = "accept", targets = { q.address } } end
    if q.hook == "accept_delivery" or q.hook == "on_accept" then
      local key = q.hook .. (q.recipient > 0 and q.recipient or "")
      asked[#asked + 1] = key
      local answer = answers[key]
      if answer == "later" then return "later" end
      return answer
    end
    return nil
  end
  local peer = smtp.peer(options):hello()
  peer:say "MAIL FROM:<a@example.test>"
  for i = 1, count do peer:say(("RCPT TO:<u%d@example.test>"):format(i)) end
  peer:say "DATA"
  return peer, asked
end

local function finish(peer) return peer:say("Subject: x", "", "body", ".") end

local function boxes(peer)
  local list = {}
  for _, r in ipairs(peer.mails[1].envelope.recipients) do
    list[#list + 1] = r.mailbox .. (r.discard and "-" or "")
  end
  return table.concat(list, " ")
end

describe("accept_delivery", function()
  it("is asked for each recipient, then on_accept", function()
    local peer, asked = server(2, {})
    assert.matches("^250 ", finish(peer))
    assert.same({ "accept_delivery1", "accept_delivery2", "on_accept" }, asked)
    assert.equal("u1@example.test u2@example.test", boxes(peer))
  end)

  it("may discard for one recipient, or file elsewhere", function()
    local peer = server(3, { accept_delivery1 = { kind = "discard" }, accept_delivery3 = { kind = "accept", targets = { "box" } } })
    assert.matches("^250 ", finish(peer))
    assert.equal("u1@example.test- u2@example.test box", boxes(peer))
  end)

  it("gives one copy where two recipients are filed into one mailbox", function()
    local peer = server(2, { accept_delivery1 = { kind = "accept", targets = { "u2@example.test" } } })
    finish(peer)
    assert.equal("u2@example.test- u2@example.test", boxes(peer))
  end)

  it("stores nothing when all are discarded, and nobody is told", function()
    local peer, asked = server(1, { accept_delivery1 = { kind = "discard" } })
    assert.matches("^250 2%.0%.0 Ok: stored", finish(peer))
    assert.equal(0, #peer.mails)
    assert.equal(1, #asked)
  end)

  it("refuses the whole mail, permanently if one is, and names the recipient", function()
    local peer = server(3, {
      accept_delivery1 = { kind = "tempfail", status = "4.2.1", text = "Busy" },
      accept_delivery2 = { kind = "reject", status = "5.7.1", text = "Not for me" },
      accept_delivery3 = { kind = "reject", text = "Nor for me" },
    })
    assert.equal("550 5.7.1 Not for me: <u2@example.test>\r\n", finish(peer))
    assert.equal(0, #peer.mails)
    assert.matches("^250 ", peer:say "MAIL FROM:<>")
    assert.equal("450 4.7.1 Delivery refused for now, try again later: <u1@example.test>\r\n",
      finish((server(1, { accept_delivery1 = { kind = "tempfail" } }))))
  end)

  it("may end the session", function()
    local peer, asked = server(2, { accept_delivery1 = { kind = "disconnect", text = "Bye" } })
    assert.matches("^421 4%.7%.1 Bye", finish(peer))
    assert.equal("close", peer.session:wants())
    assert.equal(1, #asked)
  end)

  it("may take its time for each", function()
    local peer, asked = server(2, { accept_delivery1 = "later", accept_delivery2 = "later", on_accept = "later" })
    assert.equal("", finish(peer))
    assert.equal("wait", peer.session:wants())
    peer.session:answer(nil)
    peer.session:answer { kind = "discard" }
    assert.equal("", peer.session:take())
    peer.session:answer(nil)
    assert.matches("^250 ", peer.session:take())
    assert.equal(3, #asked)
    assert.equal("u1@example.test u2@example.test-", boxes(peer))
  end)

  it("may delay", function()
    local peer = server(1, { accept_delivery1 = { kind = "none", delay_ms = 500 } })
    assert.equal("", finish(peer))
    assert.equal(500, (peer.session:timers()))
    assert.matches("^250 ", peer:receive())
  end)

  it("is cancelled with the session", function()
    local peer = server(1, { accept_delivery1 = "later" })
    finish(peer)
    assert.equal(1, peer.session:close())
  end)

  it("bears a thousand recipients", function()
    local peer, asked = server(1000, {}, { max_idle_commands = 0 })
    assert.matches("^250 ", finish(peer))
    assert.equal(1001, #asked)
  end)
end)

describe("on_accept", function()
  it("may refuse the message at last", function()
    local peer = server(1, { on_accept = { kind = "reject", text = "No room in the archive" } })
    assert.equal("550 5.7.1 No room in the archive\r\n", finish(peer))
    assert.equal(0, #peer.mails)
    peer = server(1, { on_accept = { kind = "tempfail" } })
    assert.equal("451 4.7.1 Message refused for now, try again later\r\n", finish(peer))
  end)
end)
