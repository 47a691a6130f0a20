/* SPDX-License-Identifier: ISC
 *
 * greeting - the banner, once it is known who the client is: what is judged before it, and the inside that a classic
 * synchronous proxy reaches first.
 */
#ifndef POSTERN_WORKERS_GREETING_H
#define POSTERN_WORKERS_GREETING_H

#include "workers/session.h"

/* 220; or the refusal of a session that has ended with it. */
struct reply greeting_find(struct session *s);

#endif
