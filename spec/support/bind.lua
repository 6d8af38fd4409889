-- The door from specs to the C code: bind("mail") gives the functions of spec/support/bind_mail.c.
-- MOONPOST_OUT names the object tree (build/asan in `make test`).
local out = os.getenv("MOONPOST_OUT") or "build/release"

return function(area)
  local open = assert(package.loadlib(out .. "/spec.so", "luaopen_bind_" .. area))
  return open()
end
