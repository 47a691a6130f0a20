/* SPDX-License-Identifier: ISC
 *
 * ask - one request to posternd over its control socket, and the answer heard to its end.
 *
 * Where nobody answers at the socket, a posternd that is stopping may answer beside it (CONTROL_DRAINING). No wait is
 * longer than the caller says, between two pieces of the answer. It prints nothing by itself.
 */
#ifndef POSTERN_CTL_ASK_H
#define POSTERN_CTL_ASK_H

#include "daemon/ctl/answer.h"

enum { ASK_WHY_MAX = 512 };

/* `request` without its LF. False with why, for people: nobody was reached, or the answer did not come to its end. */
bool ask(const char *path, const char *request, int64_t wait_ms, struct answer *out, char why[ASK_WHY_MAX]);
/* As many records at most, 0: all; whoever listed them finds us gone, and stops. Then cut_short is set, and there is no
 * end. */
bool ask_some(const char *path, const char *request, int64_t wait_ms, int most, struct answer *out,
              char why[ASK_WHY_MAX]);

/* An answer that may be too long to be kept: `take` is shown all of it but the last records. What there is to be read
 * from `lines` follows the request; -1: nothing does. */
struct ask_long {
    int lines;
    answer_take *take;
    void *context;
};
bool ask_at_length(const char *path, const char *request, int64_t wait_ms, const struct ask_long *how,
                   struct answer *out, char why[ASK_WHY_MAX]);

#endif
