-- Logins for specs: sessions whose policy knows one user, alice, with the password "secret".
local login = require("spec.support.bind")("hook_login")

local M = {}

local open = {}

--- A session with nobody to answer; see bind_hook_login.c for the options.
function M.session(options)
  local s = login.session(options or { hooks = {} })
  open[#open + 1] = s
  return s
end

function M.close_all()
  for _, s in ipairs(open) do s:close() end
  open = {}
end

--- Answers that accept alice and have no opinion about anybody else.
function M.users(q)
  if q.hook == "auth" and q.user == "alice" and q.password == "secret" then
    return { kind = "accept", user = "alice@example.test" }
  elseif q.hook == "secret" and q.user == "alice" then
    return { kind = "accept", user = "alice@example.test", plain = "secret" }
  elseif q.hook == "token" and q.token == "good" then
    return { kind = "accept", user = "alice@example.test" }
  end
end

function M.with_users(options)
  local s = M.session(options)
  s:answer_with(M.users)
  return s
end

return M
