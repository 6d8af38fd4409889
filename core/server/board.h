/* The board: memory that the master shares with its workers, one slot per worker.
 *
 * A worker writes its own slot alone (heartbeat, counters, sessions per client address); the
 * master and the other workers only read it.  A slot of a dead worker is emptied by the master,
 * its totals are kept.  No locks: every field is an atomic, and a broken worker can spoil
 * nothing but numbers. */
#ifndef MOONPOST_SERVER_BOARD_H
#define MOONPOST_SERVER_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "server/figures.h"
#include "server/why.h"

enum { BOARD_SLOTS = 128 };           /* workers alive at once, old generations included */

/* Counters that only grow. */
#define BOARD_TOTALS(X)                                             \
	X(smtp_sessions,     "SMTP sessions begun")                     \
	X(pop3_sessions,     "POP3 sessions begun")                     \
	X(refused_sessions,  "connections refused by a limit")          \
	X(logins,            "successful logins")                       \
	X(failed_logins,     "refused logins")                          \
	X(accepted,          "messages stored")                         \
	X(accepted_octets,   "octets of messages stored")               \
	X(retrieved,         "messages sent whole by POP3")             \
	X(retrieved_octets,  "octets of messages sent by POP3")         \
	X(deleted,           "deletions committed at QUIT")             \
	X(tls_handshakes,    "TLS handshakes done")                     \
	X(tls_failures,      "TLS handshakes failed")

struct board_totals {
#define X(name, text) uint64_t name;
	BOARD_TOTALS(X)
#undef X
};

enum { BOARD_TOTAL_COUNT = sizeof(struct board_totals) / sizeof(uint64_t) };

/* Values of now. */
struct board_gauges {
	_Atomic uint64_t beat_ms;         /* clock_ms() of the last heartbeat */
	_Atomic uint64_t store_ms;        /* and of the store's last answer to this worker */
	_Atomic uint32_t smtp, pop3;      /* sessions open */
	_Atomic uint64_t script_calls, script_errors, script_running, script_octets;
};

enum { BOARD_ADDRESSES = 32768, BOARD_WINDOW = 16 };

struct board_slot {
	_Atomic bool        used;
	struct board_gauges gauges;
	_Atomic uint64_t    totals[BOARD_TOTAL_COUNT];     /* in the order of BOARD_TOTALS */
	_Atomic uint64_t    addresses[BOARD_ADDRESSES];    /* fingerprint << 32 | sessions */
	struct figures      figures;      /* of plugins' hooks */
	struct why_ring     why;          /* decisions; those of a worker that is gone stay until overwritten */
};

struct board;

struct board *server_board_new(void);             /* in the master, before it forks; dies on failure */

/* For the master.  NULL when all slots are taken. */
struct board_slot *server_board_take(struct board *b);
void server_board_release(struct board *b, struct board_slot *slot);   /* totals are kept */

/* One worker leads: it does what is to be done once.  True when this one does, from now on until it
 * gives up or its slot is released. */
bool server_board_lead(struct board *b, const struct board_slot *slot);
void server_board_give_up(struct board *b, const struct board_slot *slot);     /* no matter who leads */

/* Add the numbers of plugins' hooks of all workers, dead ones included. */
void server_board_figures(const struct board *b, struct figures *out);

/* The decisions of this id or session, of all workers, to the JSON array. */
void server_board_why(const struct board *b, const char *id, struct cJSON *to);

/* Sum over all workers, dead ones included. */
void server_board_totals(const struct board *b, struct board_totals *out);

/* For a worker: one more of the total; name is a member of struct board_totals. */
#define BOARD_ADD(slot, name, n) \
	atomic_fetch_add_explicit(&(slot)->totals[offsetof(struct board_totals, name) / sizeof(uint64_t)], \
	                          (n), memory_order_relaxed)

/* Where the sessions of a client address (IPv6: of its /64) are counted; never 0. */
uint64_t server_board_place(const struct board *b, const char *ip);

/* A session there begins: false when limit sessions are open in all workers together, which then
 * counts nothing.  limit 0: count, never refuse. */
bool server_board_enter(struct board *b, struct board_slot *slot, uint64_t place, uint32_t limit);
void server_board_leave(struct board_slot *slot, uint64_t place);

#endif
