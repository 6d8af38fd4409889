/* The store process' part of dictionaries: those in memory, what expires, the numbers. */
#ifndef MOONPOST_STORE_DICT_SERVICE_H
#define MOONPOST_STORE_DICT_SERVICE_H

#include "net/loop.h"
#include "store/client.h"
#include "store/env.h"
#include "store/request.h"

struct dict_service;

/* submit: hand a request of our own to the writer; it comes back by dict_service_swept. */
struct dict_service *dict_service_new(struct loop *l, struct store_env *e,
                                      const struct store_settings *s,
                                      void (*submit)(void *owner, struct store_request *r),
                                      void *owner);
void dict_service_free(struct dict_service *d);       /* NULL is fine */

/* Answer a question about memory at once: sets status and answer.  False: it is the writer's. */
bool dict_service_run(struct dict_service *d, struct store_request *r);

/* The writer is done with a sweep; frees the request. */
void dict_service_swept(struct dict_service *d, struct store_request *r);

/* Sweep no more; is one under way? */
void dict_service_stop(struct dict_service *d);
bool dict_service_busy(const struct dict_service *d);

void dict_service_numbers(struct dict_service *d, struct store_numbers *n);

#endif
