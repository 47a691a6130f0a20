/* SPDX-License-Identifier: ISC
 *
 * sender_domain - the sender's domain where SPF passed for it in this transaction: whose mail it is, then, whatever
 * address it comes from. Its reputation is kept beside that of networks, on the scoreboard and by the storekeeper.
 *
 * Good is a message that was delivered, bad is one that was refused for good; what was put off counts for neither.
 * There is none where SPF was not asked, or said anything but pass, for <>, where its record lets all the world send
 * (+all), and none for who logged in. Nothing is learnt of a message that went to exempt recipients alone. Nothing here
 * fails: what is not known is unknown.
 */
#ifndef POSTERN_WORKERS_SENDER_DOMAIN_H
#define POSTERN_WORKERS_SENDER_DOMAIN_H

#include "common/reputation.h"
#include "common/slice.h"

struct outcome;
struct session;

/* As the sender wrote it, without a dot at its end. False: there is none. */
bool sender_domain_passed(const struct session *s, struct slice *domain_out);
/* STANDING_UNKNOWN where there is none. */
enum standing sender_domain_standing(const struct session *s);
void sender_domain_learn(const struct session *s, const struct outcome *outcome);

#endif
