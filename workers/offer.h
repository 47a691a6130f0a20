/* SPDX-License-Identifier: ISC
 *
 * offer - what EHLO tells a client that it can use: what Postern itself provides, and of what inside offers the
 * allow-list (L4), less what is withheld from this client.
 */
#ifndef POSTERN_WORKERS_OFFER_H
#define POSTERN_WORKERS_OFFER_H

#include "workers/session.h"

struct extensions offer_to(const struct session *s, const struct extensions *inside);

#endif
