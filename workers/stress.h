/* SPDX-License-Identifier: ISC
 *
 * stress - the house is nearly full: who is slow has to be quicker, who goes wrong goes sooner, so that others get in.
 *
 * The idea is Postfix's. It asks the scoreboard, and only when somebody has been slow already or has gone wrong: who
 * does neither costs nothing and notices nothing.
 */
#ifndef POSTERN_WORKERS_STRESS_H
#define POSTERN_WORKERS_STRESS_H

#include "workers/session.h"

/* How many in a hundred of all workers that this listener may have serve somebody; 0 where nobody knows. */
int stress_percent(const struct session *s);
enum { STRESS_PERCENT = 80 };

/* Four in five of all workers that this listener may have serve somebody; or others wait for this session's berth at an
 * inside server (max_sessions). */
bool stress_is_on(const struct session *s);

/* Until when the client is waited for: `deadline_ms` or sooner. Then stress_is_on is to be asked, and unless it is the
 * wait goes on. */
int64_t stress_look_at(const struct session *s, int64_t deadline_ms);

/* What is left of delays, and of the tarpit's share, in percent: 100 until it is on, nothing in a full house. */
int stress_leeway(const struct session *s);
/* So many workers fewer are free than should be, and there can be no more. */
int stress_missing(const struct session_setup *setup);
/* So many more are held than the tarpit's share allows now. */
int stress_over_share(const struct session *s);
/* May one more be held, where `percent` of that share may be taken (of a share of one all)? True where nobody knows. */
bool stress_may_hold(const struct session *s, int percent);

/* The limits of a session, which are less while it is on. */
int64_t stress_max_errors(const struct session *s);
int64_t stress_max_commands(const struct session *s);

#endif
