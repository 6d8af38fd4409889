-- The client's side of SCRAM-SHA-256 (RFC 5802, 3), to talk to the server's side with.
local base = require("spec.support.bind")("base")
local mail = require("spec.support.bind")("mail")

local M = {}

--- The octets of hexadecimal digits.
function M.unhex(digits)
  return (digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function hmac(key, text)
  return M.unhex(base.hmac_sha256(key, text))
end

local function xor(a, b)
  local out = {}
  for i = 1, #a do out[i] = string.char(a:byte(i) ~ b:byte(i)) end
  return table.concat(out)
end

--- A client; o: user (as saslname), password, gs2 ("n,,"), nonce, binding (data behind gs2).
function M.new(o)
  local client = { gs2 = o.gs2 or "n,,", binding = o.binding or "" }
  client.bare = ("n=%s,r=%s"):format(o.user, o.nonce or "fyko+d2lbbFgONRv9qkxdawL")
  client.first = client.gs2 .. client.bare

  --- client-final-message for a server-first-message; also sets client.signature; client.more: extensions,
  --- client.nonce: another one than the server's.
  function client.final(server_first)
    local nonce, salt, count = server_first:match("^r=([^,]*),s=([^,]*),i=(%d+)$")
    local salted = M.unhex(base.pbkdf2_sha256(o.password, mail.base64_decode(salt),
      math.tointeger(count)))
    local client_key = hmac(salted, "Client Key")
    local stored_key = M.unhex(base.sha256(client_key))
    local without_proof = ("c=%s,r=%s%s"):format(mail.base64_encode(client.gs2 .. client.binding),
      client.nonce or nonce, client.more or "")
    local message = client.bare .. "," .. server_first .. "," .. without_proof
    local proof = xor(client_key, hmac(stored_key, message))
    client.signature = "v=" .. mail.base64_encode(hmac(hmac(salted, "Server Key"), message))
    return without_proof .. ",p=" .. mail.base64_encode(proof)
  end
  return client
end

return M
