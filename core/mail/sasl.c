/* The messages of the simple SASL mechanisms: PLAIN, OAUTHBEARER, XOAUTH2, CRAM-MD5. */
#include "mail/sasl.h"

#include "base/digest.h"
#include "base/mem.h"
#include "mail/utf8.h"

bool sasl_user_valid(struct slice user)
{
	for (size_t i = 0; i < user.len; i++)
		if ((unsigned char)user.ptr[i] < 32 || user.ptr[i] == 127)
			return false;
	return user.len > 0 && utf8_valid(user);
}

enum status sasl_name_decode(struct slice in, struct buf *out)
{
	enum status st = ST_OK;

	while (in.len && st == ST_OK) {
		size_t plain = slice_find(in, '=');

		st = buf_append(out, slice_head(in, plain));
		in = slice_skip(in, plain);
		if (in.len == 0 || st != ST_OK)
			break;
		if (slice_starts(in, SLICE("=2C")))
			st = buf_append_byte(out, ',');
		else if (slice_starts(in, SLICE("=3D")))
			st = buf_append_byte(out, '=');
		else
			st = ST_SYNTAX;
		in = slice_skip(in, 3);
	}
	return st;
}

enum status sasl_plain_parse(struct slice in, struct slice *authzid, struct slice *user,
                             struct slice *password)
{
	size_t first = slice_find(in, '\0');

	if (first == in.len)
		return ST_SYNTAX;
	*authzid = slice_head(in, first);
	in = slice_skip(in, first + 1);
	size_t second = slice_find(in, '\0');

	if (second == in.len)
		return ST_SYNTAX;
	*user = slice_head(in, second);
	*password = slice_skip(in, second + 1);
	if (password->len == 0 || slice_find(*password, '\0') < password->len)
		return ST_SYNTAX;
	if (!sasl_user_valid(*user) || (authzid->len && !sasl_user_valid(*authzid)))
		return ST_SYNTAX;
	return ST_OK;
}

/* auth-scheme "Bearer" in any case, one space, b64token (RFC 6750, 2.1). */
static bool bearer(struct slice value, struct slice *token)
{
	if (!slice_istarts(value, SLICE("Bearer ")))
		return false;
	*token = slice_trim(slice_skip(value, 7));
	for (size_t i = 0; i < token->len; i++)
		if (token->ptr[i] <= 32 || token->ptr[i] == 127)
			return false;
	return token->len > 0;
}

/* *kvpair kvsep, kvpair = key "=" value kvsep, kvsep = %x01.  Exactly one auth. */
static enum status key_values(struct slice in, struct slice *token)
{
	bool found = false;

	while (in.len > 1) {
		size_t end = slice_find(in, '\1');
		struct slice pair = slice_head(in, end);

		if (end == in.len || slice_find(pair, '=') == pair.len || slice_find(pair, '=') == 0)
			return ST_SYNTAX;
		if (slice_istarts(pair, SLICE("auth="))) {
			if (found || !bearer(slice_skip(pair, 5), token))
				return ST_SYNTAX;
			found = true;
		}
		in = slice_skip(in, end + 1);
	}
	return found && in.len == 1 && in.ptr[0] == '\1' ? ST_OK : ST_SYNTAX;
}

/* client-resp = gs2-header kvsep *kvpair kvsep, gs2-header = ("n" / "y") "," ["a=" saslname] ","
 * (RFC 7628, 3.1; the mechanism has no channel binding, so no "p"). */
enum status sasl_oauthbearer_parse(struct slice in, struct buf *user, struct slice *token)
{
	struct slice flag, authzid;

	if (slice_cut(&in, ',', &flag) != ST_OK || slice_cut(&in, ',', &authzid) != ST_OK)
		return ST_SYNTAX;
	if (!slice_eq(flag, SLICE("n")) && !slice_eq(flag, SLICE("y")))
		return ST_SYNTAX;
	if (authzid.len) {
		if (!slice_starts(authzid, SLICE("a=")) ||
		    sasl_name_decode(slice_skip(authzid, 2), user) != ST_OK ||
		    !sasl_user_valid(buf_slice(user)))
			return ST_SYNTAX;
	}
	if (in.len == 0 || in.ptr[0] != '\1')
		return ST_SYNTAX;
	return key_values(slice_skip(in, 1), token);
}

/* "user=" user %x01 "auth=Bearer " token %x01 %x01 */
enum status sasl_xoauth2_parse(struct slice in, struct buf *user, struct slice *token)
{
	struct slice name;

	if (slice_cut(&in, '\1', &name) != ST_OK || !slice_istarts(name, SLICE("user=")))
		return ST_SYNTAX;
	name = slice_skip(name, 5);
	if (!sasl_user_valid(name) || buf_append(user, name) != ST_OK)
		return ST_SYNTAX;
	return key_values(in, token);
}

enum status sasl_cram_md5_parse(struct slice in, struct slice *user, struct slice *digest)
{
	size_t space = slice_rfind(in, ' ');

	*user = slice_head(in, space);
	*digest = slice_skip(in, space + 1);
	if (digest->len != 2 * MD5_SIZE || !sasl_user_valid(*user))
		return ST_SYNTAX;
	return ST_OK;
}

bool sasl_cram_md5_verify(struct slice challenge, struct slice password, struct slice digest)
{
	unsigned char mac[MD5_SIZE];
	char hex[2 * MD5_SIZE + 1];

	digest_hmac_md5(password, challenge, mac);
	digest_hex(mac, sizeof(mac), hex);
	bool same = slice_eq_constant_time(slice_of(hex, 2 * MD5_SIZE), digest);

	mem_wipe(mac, sizeof(mac));
	mem_wipe(hex, sizeof(hex));
	return same;
}
