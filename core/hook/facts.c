/* Life of the facts and the identity; names of protocols and services. */
#include "hook/facts.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"

void facts_init(struct facts *f)
{
	*f = (struct facts){ 0 };
	random_id(f->id, sizeof(f->id) - 1);
}

void facts_clear(struct facts *f)
{
	free(f->remote_name);
	free(f->helo);
	free(f->tls.server_name);
	f->remote_name = f->helo = f->tls.server_name = NULL;
	identity_clear(&f->identity);
}

void facts_set_helo(struct facts *f, struct slice name, bool esmtp)
{
	free(f->helo);
	f->helo = name.ptr ? mem_slice_dup(name) : NULL;
	f->esmtp = esmtp;
}

void identity_set(struct identity *to, struct slice user, struct slice mailbox)
{
	identity_clear(to);
	to->user = mem_slice_dup(user);
	to->mailbox = mem_slice_dup(mailbox);
}

void identity_clear(struct identity *i)
{
	free(i->user);
	free(i->mailbox);
	*i = (struct identity){ 0 };
}

const char *protocol_name(enum protocol p)
{
	return p == PROTOCOL_SMTP ? "smtp" : "pop3";
}

const char *service_name(enum service s)
{
	switch (s) {
	case SERVICE_MTA:         return "mta";
	case SERVICE_SUBMISSION:  return "submission";
	case SERVICE_SUBMISSIONS: return "submissions";
	case SERVICE_POP3:        return "pop3";
	case SERVICE_POP3S:       return "pop3s";
	}
	return "?";
}
