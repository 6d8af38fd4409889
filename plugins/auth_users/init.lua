-- Signing in against the built-in user table: `users` of the configuration and the accounts made
-- with `moonpost user add`.
---@type moonpost.Plugin
local plugin = ...
local mail = require "moonpost"

local options = plugin:options {
  services = { "list", of = "string", optional = true },
}

local filters = { services = options.services }

---PLAIN, LOGIN, USER/PASS: somebody whom the table does not know is refused in the same time.
plugin:hook("auth", function(_, credentials)
  if credentials.authzid ~= "" and credentials.authzid:lower() ~= credentials.user:lower() then
    return mail.reject("5.7.8", "Nobody may act for another user here")
  end
  local identity, err = mail.users.verify(credentials.user, credentials.password)
  if identity then return identity end
  if identity == nil then return nil, err end
end, filters)

---SCRAM, APOP, CRAM-MD5: keys, not passwords.
plugin:hook("secret", function(_, _, user)
  return mail.users.secret(user)
end, filters)
