/* SPDX-License-Identifier: ISC
 *
 * deed - what the master does itself for posternctl, at once: orders to the running workers, and answers of a few
 * lines. A const table of verb -> function; a verb without a row there is nothing to do for.
 */
#ifndef POSTERN_DAEMON_DEED_H
#define POSTERN_DAEMON_DEED_H

#include "common/control.h"

#include "daemon/control.h"

enum { DEED_ANSWER_MAX = 4 * CONTROL_RECORD_MAX };

struct deed {
    const struct control_view *view;
    const struct control_request *request;
    struct buffer *answer; /* records, and the error that ends them; not the ok */
    bool changed;          /* something is not as before: worth a line in the log */
};

/* False: refused, and why is in the answer. */
bool deed_do(struct deed *deed);

void deed_list_traces(struct buffer *to, const struct orders *orders);

void deed_say_listed(struct buffer *to, const struct listed_entry *entry, const char *reason);

/* The two lines that end an answer. */
void deed_ok(struct buffer *answer);
void deed_error(struct buffer *answer, const char *why, const char *try); /* `try` may be NULL */

#endif
