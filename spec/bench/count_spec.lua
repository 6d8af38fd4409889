-- Whole sessions must not grow: their instructions are counted by callgrind, which gives the same
-- number on every run.  A change that makes a session cheaper lowers the number here, so that the
-- gain is kept; one that must cost more raises it and says why in its commit message.
local counted = {
  hello = 17700,     -- greeting, EHLO, QUIT
  smtp  = 57700,     -- and one message of 4 KiB to one recipient, its envelope pipelined; without AVX2 63000
  pop3  = 132200,    -- login, UIDL and LIST of 100 messages, 10 RETR of 4 KiB, QUIT
}
local GROWTH = 1.10

local function instructions(session)
  local pipe = assert(io.popen("valgrind --tool=callgrind --callgrind-out-file=/dev/null " ..
    "--toggle-collect=counted build/release/count " .. session .. " 2>&1"))
  local output = pipe:read("a")
  pipe:close()
  return tonumber(output:match("Collected : (%d+)")), output
end

describe("a session", function()
  for session, known in pairs(counted) do
    it(("(%s) takes at most a tenth more instructions than the %d it is known for"):format(session, known), function()
      local n, output = instructions(session)
      assert.is_truthy(n, output)
      assert.is_true(n > known / 4, ("%d instructions: was anything counted?"):format(n))
      assert.is_true(n <= known * GROWTH, ("%s takes %d instructions: %.2f x"):format(session, n, n / known))
    end)
  end
end)
