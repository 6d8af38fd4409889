/* core/store/dict: what a client says is a question or refused, and a question reads as it was written;
 * dictionaries in memory keep to their limits and their counts whatever is asked in whatever order. */
#include "fuzz.h"

#include "base/buf.h"
#include "store/dict_memory.h"

enum { STEP = 6, MAX_ENTRIES = 12, MAX_OCTETS = 3000, PLUGIN_OCTETS = 1500 };

const char *const fuzz_tokens[] = {
	"\x01\x00" "k" "\x00\x05\x01", "\x06\x00" "k" "\x00\x05\x01", "\x07\x00" "b" "\x00\x05\x01",
	"\x05\x02" "k" "\x09\x01\x01", "\x04\x01" "k" "\x00\x00\x00", NULL,
};

static void check_query(struct slice in)
{
	struct dict_query q;
	struct buf again;

	if (dict_get_query(in, &q) != ST_OK)
		return;
	FUZZ_CHECK(q.key.len <= DICT_KEY_MAX && q.owner.len <= DICT_OWNER_MAX && q.op < DICT__COUNT);
	buf_init(&again, 0);
	dict_put_query(&again, &q);
	FUZZ_CHECK(slice_eq(buf_slice(&again), in));
	buf_free(&again);
}

static void check_answer(struct slice in)
{
	struct dict_answer a;
	struct dict_value v;
	struct slice key;

	if (!dict_get_answer(in, &a))
		return;
	for (struct slice list = a.list, before = list; dict_list_next(&list, &key, &v); before = list)
		FUZZ_CHECK(list.len < before.len && key.len <= before.len);
}

/* Six octets are a question: what, flags and owner, key, life, amount, kind of value. */
static struct dict_query question(const uint8_t *at)
{
	static const char octets[256];
	static const char *const owners[] = { "a", "b", "c" };
	struct dict_query q = {
		.op = at[0] % DICT__COUNT, .flags = at[1] & (DICT_REFUSE | DICT_CEILING),
		.owner = slice_from(owners[at[1] / 8 % 3]), .key = slice_of(at + 2, 1),
		.ttl_us = at[3] % 32, .amount = at[4], .ceiling = 100 + at[5], .limit = at[4] % 5,
		.after = slice_of(at + 4, 1),
	};

	q.value.type = DICT_STRING + at[5] % 3;
	q.value.number = at[4];
	if (q.value.type == DICT_STRING)
		q.value.octets = slice_of(octets, at[4]);
	q.expected.type = at[5] / 3 % 4;
	return q;
}

static void run(struct dict_memory *m, const struct dict_query *q, int64_t now)
{
	struct dict_memory_numbers n;
	struct dict_answer a;
	struct buf answer;

	buf_init(&answer, 0);
	enum status st = dict_memory_run(m, q, now, &answer);

	FUZZ_CHECK(st == ST_OK ? dict_get_answer(buf_slice(&answer), &a) : buf_len(&answer) == 0);
	if (st == ST_OK && q->op == DICT_LIST) {
		struct slice list = a.list, key, last = SLICE_NONE;
		struct dict_value v;
		uint32_t count = 0;

		for (; dict_list_next(&list, &key, &v); last = key, count++)
			FUZZ_CHECK(slice_starts(key, q->key) && slice_cmp(last, key) < 0 && slice_cmp(q->after, key) < 0);
		FUZZ_CHECK(list.len == 0 && count == a.count && count <= q->limit);
	}
	buf_free(&answer);
	dict_memory_numbers(m, &n);
	FUZZ_CHECK(n.entries <= MAX_ENTRIES && n.octets <= MAX_OCTETS + 600);
}

/* What was set a moment ago is there, unless it was refused. */
static void check_set(struct dict_memory *m, const struct dict_query *q, int64_t now)
{
	struct dict_query get = { .op = DICT_GET, .owner = q->owner, .key = q->key };
	struct dict_answer a;
	struct buf set, got;

	buf_init(&set, 0);
	buf_init(&got, 0);
	if (dict_memory_run(m, q, now, &set) == ST_OK) {
		FUZZ_CHECK(dict_memory_run(m, &get, now, &got) == ST_OK);
		FUZZ_CHECK(dict_get_answer(buf_slice(&got), &a) && a.value.type == q->value.type);
	}
	buf_free(&set);
	buf_free(&got);
}

static void check_memory(struct slice in)
{
	struct store_dict_settings s = {
		.max_entries = MAX_ENTRIES, .max_octets = MAX_OCTETS, .max_plugin_octets = PLUGIN_OCTETS,
	};
	struct dict_memory *m = dict_memory_new(&s);
	struct dict_memory_numbers n;
	int64_t now = 1;

	for (; in.len >= STEP; in = slice_skip(in, STEP)) {
		struct dict_query q = question((const uint8_t *)in.ptr);

		if (q.op == DICT_SET)
			check_set(m, &q, now);
		run(m, &q, now);
		now += in.ptr[3] & 3;
	}
	for (unsigned key = 0; key < 256; key++)
		for (unsigned owner = 0; owner < 3; owner++) {
			const uint8_t octets[STEP] = { DICT_DELETE, (uint8_t)(owner * 8), (uint8_t)key };
			struct dict_query q = question(octets);

			run(m, &q, now);
		}
	dict_memory_numbers(m, &n);
	FUZZ_CHECK(n.entries == 0 && n.octets == 0);
	dict_memory_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	check_query(in);
	check_answer(in);
	check_memory(in);
	return 0;
}
