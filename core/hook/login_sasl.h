/* The mechanisms, as first steps of an exchange.  Seen by login.c alone. */
#ifndef MOONPOST_HOOK_LOGIN_SASL_H
#define MOONPOST_HOOK_LOGIN_SASL_H

#include "hook/login_exchange.h"

/* Take the client's first message. */
login_message_fn login_sasl_plain, login_sasl_oauthbearer, login_sasl_xoauth2, login_sasl_scram,
                 login_sasl_scram_plus, login_sasl_login_user;

/* Send the server's first one. */
void login_sasl_start_login(struct login *l);
void login_sasl_start_cram_md5(struct login *l);

/* USER/PASS and the end of PLAIN and LOGIN: user and secret are there, ask. */
void login_sasl_ask_auth(struct login *l);

/* APOP's question and answer: like CRAM-MD5 but for the digest. */
void login_sasl_apop(struct login *l);

#endif
