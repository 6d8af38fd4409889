-- Addresses and networks of both families, for plugins: local network = require "moonpost.network"
local M = {}

---The four octets of a dotted address as a string, or nil.
local function parse_v4(text)
  local octets = { text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$") }
  if #octets ~= 4 then return nil end
  for i, octet in ipairs(octets) do
    octets[i] = tonumber(octet)
    if octets[i] > 255 then return nil end
  end
  return string.char(table.unpack(octets))
end

---Groups of hexadecimal digits between colons as octets, or nil; at the end of an address (`last`) a
---dotted one may stand.
local function parse_groups(text, last)
  if text == "" then return "" end
  local octets = {}
  local rest = text .. ":"
  while rest ~= "" do
    local group
    group, rest = rest:match("^([^:]+):(.*)$")
    if not group then return nil end
    local v4 = last and rest == "" and group:find(".", 1, true) and parse_v4(group)
    local n = not v4 and group:match("^%x%x?%x?%x?$") and tonumber(group, 16)
    if not v4 and not n then return nil end
    octets[#octets + 1] = v4 or string.char(n >> 8, n & 255)
  end
  return table.concat(octets)
end

local function parse_v6(text)
  local head, tail = text:match("^(.-)::(.*)$")
  if not head then
    local octets = parse_groups(text, true)
    return octets and #octets == 16 and octets or nil
  end
  local first, rest = parse_groups(head), parse_groups(tail, true)
  local missing = first and rest and 16 - #first - #rest or 0
  if missing < 2 then return nil end
  return first .. ("\0"):rep(missing) .. rest
end

---"192.0.2.1", "2001:db8::1" -> its 4 or 16 octets as a string, or nil. An IPv4 address that is
---written as an IPv6 one (::ffff:192.0.2.1) is the IPv4 address.
---@param text string
---@return string? octets
function M.address(text)
  local octets = parse_v4(text) or text:find(":", 1, true) and parse_v6(text) or nil
  if octets and #octets == 16 and octets:sub(1, 12) == ("\0"):rep(10) .. "\xff\xff" then return octets:sub(13) end
  return octets
end

---Only the first bits, the others zero.
local function masked(octets, bits)
  local whole, rest = bits // 8, bits % 8
  if whole >= #octets then return octets end
  local edge = rest > 0 and string.char(octets:byte(whole + 1) & (0xff << (8 - rest)) & 0xff) or ""
  return octets:sub(1, whole) .. edge .. ("\0"):rep(#octets - whole - #edge)
end

---"192.0.2.0/24", "2001:db8::/32", "192.0.2.1" -> a network, or nil and what is wrong.
---@param text string
---@return { octets: string, bits: integer }? network
---@return string? why
function M.parse(text)
  local ip, length = text:match("^([^/]+)/?(%d*)$")
  local octets = ip and M.address(ip)
  if not octets or (text:find("/", 1, true) and length == "") then
    return nil, ("\"%s\" is no address and no network such as 192.0.2.0/24 or 2001:db8::/32"):format(text)
  end
  local bits = length == "" and #octets * 8 or math.tointeger(tonumber(length))
  if bits > #octets * 8 then
    return nil, ("\"%s\": a network of this family has at most %d bits"):format(text, #octets * 8)
  end
  return { octets = masked(octets, bits), bits = bits }
end

---A list of networks, or nil and what is wrong with one.
---@param texts string[]
---@return { octets: string, bits: integer }[]? networks
---@return string? why
function M.parse_all(texts)
  local networks = {}
  for i, text in ipairs(texts) do
    local network, why = M.parse(text)
    if not network then return nil, why end
    networks[i] = network
  end
  return networks
end

---Is the address in one of the networks?
---@param networks { octets: string, bits: integer }[]
---@param ip string
---@return boolean
function M.contains(networks, ip)
  local octets = M.address(ip)
  for _, network in ipairs(networks) do
    if octets and #octets == #network.octets and masked(octets, network.bits) == network.octets then return true end
  end
  return false
end

local function show(octets)
  if #octets == 4 then return ("%d.%d.%d.%d"):format(octets:byte(1, 4)) end
  local groups = {}
  for i = 1, 16, 2 do groups[#groups + 1] = ("%x"):format(octets:byte(i) << 8 | octets:byte(i + 1)) end
  return table.concat(groups, ":")
end

---The network that an address is in, as a key for counters: "192.0.2.0/24", "2001:db8:0:0:0:0:0:0/64".
---A client chooses its address within its /64 freely, so IPv6 addresses are counted by network. What
---is no address comes back as it is.
---@param ip string
---@param bits4? integer of IPv4, 32
---@param bits6? integer of IPv6, 64
---@return string
function M.of(ip, bits4, bits6)
  local octets = M.address(ip)
  if not octets then return ip end
  local bits = #octets == 4 and (bits4 or 32) or #octets == 16 and (bits6 or 64)
  local text = show(masked(octets, bits))
  return bits == #octets * 8 and text or text .. "/" .. bits
end

return M
