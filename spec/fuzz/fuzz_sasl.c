/* core/mail/sasl, base64, and core/hook/login on top of them: a client that says anything at all
 * never signs in, never leaves an exchange without an end, never breaks anything.
 *
 * The first octet chooses the mechanism, the second what policy answers; the rest are the
 * client's lines, separated by LF.  A line that starts with '!' is sent as it stands, others in
 * base64; an octet 2 stands for the nonce of the server's last challenge, without which no SCRAM
 * message gets as far as its proof. */
#include "fuzz.h"

#include "mail/base64.h"
#include "mail/sasl.h"
#include "hook/login.h"

const char *const fuzz_tokens[] = {
	"n,,n=user,r=", "c=biws,r=\2", ",p=", "n,a=user,", "p=tls-exporter,,", "y,,", "=2C",
	"\1auth=Bearer ", "\1\1", "user=", "!*", "!=", "alice ", "\n",
	"d41d8cd98f00b204e9800998ecf8427e", NULL,
};

struct session {
	struct machine  machine;
	struct login    login;
	struct policy   policy;
	unsigned char   answers;
	enum login_step step;
	unsigned        steps;
};

static void on_step(void *owner, enum login_step step)
{
	struct session *s = owner;

	s->step = step;
	s->steps++;
}

/* Never an ACCEPT for a password or token: then nobody may get in.  A secret may be known. */
static void ask(struct policy *p, struct question *q)
{
	struct session *s = (struct session *)(void *)((char *)p - offsetof(struct session, policy));
	static const enum verdict_kind kinds[] = {
		VERDICT_NONE, VERDICT_REJECT, VERDICT_TEMPFAIL, VERDICT_DISCONNECT,
	};

	q->verdict.kind = kinds[s->answers & 3];
	if (q->hook == HOOK_SECRET && s->answers & 4) {
		q->verdict.kind = VERDICT_ACCEPT;
		if (s->answers & 8 && slice_eq(q->login.mechanism, SLICE("CRAM-MD5")))
			q->secret.plain = arena_copy(&q->arena, SLICE("a password that nobody guesses"));
		if (s->answers & 16) {
			q->secret.salt = arena_copy(&q->arena, SLICE("salt"));
			q->secret.stored_key = q->secret.server_key =
				arena_copy(&q->arena, SLICE("0123456789abcdef0123456789abcdef"));
			q->secret.iterations = 4096;
		}
	}
	if (!(s->answers & 32))
		question_answer(q);
}

static enum status binding(void *host, const char *type, unsigned char out[64], size_t *len)
{
	(void)host;
	(void)type;
	memset(out, 7, 32);
	*len = 32;
	return ST_OK;
}

/* "r=" of the last challenge. */
static void put_nonce(struct session *s, struct buf *out)
{
	struct buf challenge = { 0 };
	struct slice text, nonce;

	(void)base64_decode(buf_slice(&s->login.challenge), &challenge);
	text = buf_slice(&challenge);
	if (slice_starts(text, SLICE("r=")) && slice_cut(&text, ',', &nonce) == ST_OK)
		(void)buf_append(out, slice_skip(nonce, 2));
	buf_free(&challenge);
}

static void put_base64(struct session *s, struct slice line, struct buf *out)
{
	struct buf message = { 0 };

	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == 2)
			put_nonce(s, &message);
		else
			(void)buf_append_byte(&message, line.ptr[i]);
	}
	(void)base64_encode(buf_slice(&message), out);
	buf_free(&message);
}

static void client_line(struct session *s, struct slice line, bool first, unsigned mechanism)
{
	struct buf text = { 0 };

	if (line.len && line.ptr[0] == '!')
		(void)buf_append(&text, slice_skip(line, 1));
	else
		put_base64(s, line, &text);
	unsigned before = s->steps;

	if (first)
		login_start(&s->login, mechanism, line.len > 0, buf_slice(&text));
	else
		login_feed(&s->login, buf_slice(&text));
	buf_free(&text);
	FUZZ_CHECK(s->steps == before + 1 || (s->steps == before && machine_question(&s->machine)->waiting));
	if (s->steps > before) {
		FUZZ_CHECK(s->step != LOGIN_DONE && !s->machine.facts.identity.user);
		FUZZ_CHECK((s->login.exchange != NULL) == (s->step == LOGIN_CHALLENGE));
	}
}

static void check_login(struct slice in)
{
	static const struct machine_ops no_ops;
	struct session s = { .answers = (unsigned char)in.ptr[1] };
	struct machine_setup setup = { .policy = &s.policy, .host = &s, .channel_binding = binding };
	unsigned mechanism = 1u << ((unsigned char)in.ptr[0] % 7);
	struct slice line;
	bool first = true;

	s.policy.ask = ask;
	s.policy.hooks = ~0u;
	facts_init(&setup.facts);
	setup.facts.tls.active = true;
	machine_init(&s.machine, &no_ops, &setup);
	login_init(&s.login, &s.machine, on_step, &s);
	(void)login_offered(&s.login, ~0u, false);
	in = slice_skip(in, 2);
	while (slice_cut(&in, '\n', &line) == ST_OK && !machine_question(&s.machine)->waiting) {
		first = first || !s.login.exchange;
		client_line(&s, line, first, mechanism);
		first = false;
	}
	login_clear(&s.login);
	machine_clear(&s.machine);
}

static void check_base64(struct slice in)
{
	struct buf text = { 0 }, back = { 0 };

	FUZZ_CHECK(base64_encode(in, &text) == ST_OK);
	FUZZ_CHECK(base64_decode(buf_slice(&text), &back) == ST_OK && slice_eq(buf_slice(&back), in));
	buf_reset(&back);
	if (base64_decode(in, &back) == ST_OK) {
		buf_reset(&text);
		FUZZ_CHECK(base64_encode(buf_slice(&back), &text) == ST_OK);
		FUZZ_CHECK(slice_eq(buf_slice(&text), in));
	}
	buf_free(&text);
	buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	check_base64(in);
	if (in.len >= 2)
		check_login(in);
	return 0;
}
