local mail_store = require "spec.support.store"
local bind = mail_store.bind

-- Numbers of the wire are in the machine's own order: little-endian here.
local function u32(n) return string.pack("<I4", n) end
local function u64(n) return string.pack("<I8", n) end
local function bytes(s) return u32(#s) .. s end
local function message(octets) return u64(octets) .. u64(1) .. u64(1) .. u64(0) .. u32(0) .. u32(0) .. bytes("s@x") end

describe("a request to the store process", function()
  local server, client

  setup(function()
    server = mail_store.new()
    client = server:client()
  end)
  teardown(function() server:finish() end)

  local broken = {
    DELIVER = {
      "", message(4), message(4) .. u32(0) .. "body", message(4) .. u32(1) .. bytes("a@x") .. "bod",
      message(4) .. u32(1) .. bytes("a@x") .. "body!", message(4) .. u32(1000000) .. bytes("a@x") .. "body",
      message(4) .. u32(1) .. u32(0xffffffff) .. "a@x", message(70000) .. u32(1) .. bytes("a@x") .. ("x"):rep(70000),
    },
    IMPORT = { "", message(1) .. bytes("a@x"), message(1) .. bytes("") .. bytes("u") .. "x" },
    DELETE = { "", u64(1) .. u32(2) .. u64(1), u64(1) .. u32(1) .. u64(1) .. "x" },
    MAILBOX_QUOTA = { "", bytes("a@x") .. u64(1) },
    MAILBOX_REMOVE = { "", bytes(""), bytes("a@x") .. "more", bytes(("x"):rep(401)) },
    USER_PUT = { "", "\1" .. bytes("a@x"), "\1" .. bytes("a@x") .. bytes("r") .. u64(1) },
    DOMAIN_PUT = { bytes("x") },
    ALIAS_PUT = { bytes("x") .. u32(100) },
    FILES_GONE = { "" },
    REPLY = { "" },
  }

  it("changes nothing when it breaks the grammar, and the process lives on", function()
    for kind, payloads in pairs(broken) do
      for _, payload in ipairs(payloads) do bind.raw(server.settings, bind.frame(kind, payload)) end
      -- Cut anywhere, too.
      local whole = message(4) .. u32(1) .. bytes("a@x") .. "body"
      for n = 0, #whole - 1, 13 do bind.raw(server.settings, bind.frame(kind, whole:sub(1, n))) end
      assert.equal("OK", client:wait(client:numbers()).status)
    end
    assert.same({}, client:mailbox_names())
    assert.same({}, client:user_names())
    assert.equal("", server:problems())
  end)

  it("is done when it is whole", function()
    bind.raw(server.settings, bind.frame("DELIVER", message(4) .. u32(1) .. bytes("a@x") .. "body"))
    assert.same({ "body" }, mail_store.texts(client, "a@x"))
  end)
end)
