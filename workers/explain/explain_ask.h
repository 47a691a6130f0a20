/* SPDX-License-Identifier: ISC
 *
 * explain_ask - what posternctl explain was asked: the client's address, and what it is to say of itself. Pure.
 */
#ifndef POSTERN_WORKERS_EXPLAIN_ASK_H
#define POSTERN_WORKERS_EXPLAIN_ASK_H

#include "common/ipaddr.h"
#include "workers/smtp/address.h"

/* Slices of the words. */
struct explain_ask {
    struct ipaddr client;
    struct slice helo, login, name, listener; /* empty: not said */
    bool has_from, has_to;
    struct path from, to;
    bool enforce; /* as if all that is watched were enforced, and there were no bypass */
};

/* "192.0.2.7", then "helo=..", "from=.." (empty or <>: the null sender), "to=..", "login=..", "name=..", "listener=..",
 * "mode=enforce", in any order. False: *why_out, a constant, says what is wrong. */
bool explain_ask_parse(const struct slice words[], int count, struct explain_ask *out, const char **why_out);

#endif
