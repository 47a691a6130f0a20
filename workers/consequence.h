/* SPDX-License-Identifier: ISC
 *
 * consequence - what a check finds, and what is to follow from it, as a postmaster writes it: accept, points, a
 * refusal.
 *
 * A finding is a constant beside the check: its words for the log, and the refusal, which a deferral says with 450 and
 * 4yz in place of 550 and 5yz. An option `reply` of the check takes the place of the text alone. Pure.
 */
#ifndef POSTERN_WORKERS_CONSEQUENCE_H
#define POSTERN_WORKERS_CONSEQUENCE_H

#include "workers/verdict.h"

struct config;

enum consequence { ACCEPTS, SCORES, DEFERS, REJECTS, DROPS };
#define CONSEQUENCE_CHOICES "accept|score|defer|reject|drop"
#define SCORE_ALLOWED       "0..1000"
enum { CONSEQUENCE_TEXT_MAX = 200 };

struct finding {
    struct reply reply; /* 5yz */
    const char *reason;
};

/* `text`: in place of the finding's own; NULL: none. `score` counts with SCORES alone. */
struct verdict consequence_of(const struct finding *finding, int consequence, int64_t score, const char *text);

/* In a block's check: has the text of a reply, which is printable ASCII as all texts are, a fair length? NULL has. */
bool consequence_check_text(struct config *config, const void *filled, const char *option, const char *text);

#endif
