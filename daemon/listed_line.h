/* SPDX-License-Identifier: ISC
 *
 * listed_line - one entry of the list in words: what posternctl is told, and what a line of the file says. Pure.
 *
 *     192.0.2.0/24 for 1h reason an open proxy
 *     192.0.2.0/24 until 2026-12-01T00:00:00Z reason an open proxy
 *
 * `for` counts from now on, so that it makes no sense in a file. In the file the line begins with block or allow.
 */
#ifndef POSTERN_DAEMON_LISTED_LINE_H
#define POSTERN_DAEMON_LISTED_LINE_H

#include "common/buffer.h"
#include "common/listed.h"

enum { LISTED_LINE_MAX = 256 /* of what is printed, without LF */ };

struct listed_line {
    struct listed_entry entry;
    char reason[LISTED_REASON_MAX];
};

/* What follows the verb, from an administrator. False: *why_out says what is wrong, *try_out what would be right. */
bool listed_line_parse(struct slice words, enum listed_as as, time_t now, struct listed_line *out, const char **why_out,
                       const char **try_out);

/* A line of the file, without LF; with an entry that is over as well. LISTED_LINE_EMPTY: blank, or a comment. */
enum listed_line_kind { LISTED_LINE_BAD, LISTED_LINE_EMPTY, LISTED_LINE_GOOD };
enum listed_line_kind listed_line_read(struct slice line, struct listed_line *out, const char **why_out);
void listed_line_print(struct buffer *to, const struct listed_entry *entry, const char *reason);

const char *listed_as_name(enum listed_as as); /* "blocked", "allowed" */

#endif
