/* SPDX-License-Identifier: ISC
 *
 * results_field - whose results does a header field give (Authentication-Results, RFC 8601 section 2.2)? Pure.
 *
 * Asked octet by octet, from the first one of the field's name on, and answered as soon as that can be told. Whoever
 * reads the field inside may read it otherwise than the RFC has it, so what could be taken for ours is ours: without
 * regard to case, also as a quoted string or put together from words ("mx" . example . org), with comments anywhere, a
 * dot behind it, a version, or nothing more.
 *
 * Where the name of who authenticated cannot be told, in a comment or string that has no end, in an encoded word or
 * behind RESULTS_FIELD_MAX octets, the field counts as ours: nobody but a forger needs that.
 */
#ifndef POSTERN_WORKERS_SMTP_RESULTS_FIELD_H
#define POSTERN_WORKERS_SMTP_RESULTS_FIELD_H

#include "common/slice.h"

enum { RESULTS_FIELD_MAX = 1024 }; /* octets of a field, by which it is decided */

enum results_owner {
    RESULTS_UNDECIDED,
    RESULTS_OURS,
    RESULTS_FOREIGN /* or it is another field */
};

/* All zero is the start. */
struct results_field {
    enum {
        RESULTS_NAME,
        RESULTS_NAME_BLANK,
        RESULTS_BETWEEN, /* blanks and comments, before a word or behind one */
        RESULTS_WORD,
        RESULTS_QUOTED,
        RESULTS_QUOTED_PAIR,
        RESULTS_COMMENT,
        RESULTS_COMMENT_PAIR,
        RESULTS_EQUALS /* may begin an encoded word */
    } state;
    size_t size;    /* octets of the field */
    size_t matched; /* octets of its name, then of the id */
    size_t depth;   /* of comments */
    bool dotted;    /* the whole id, and a dot behind it */
};

/* Could a field that begins so be one? `begin`: the front of a line, as much as there is. */
bool results_field_may_begin(struct slice begin);
/* The next octet, CR and LF of its folds too. `id` is ours, a host name. */
enum results_owner results_field_feed(struct results_field *field, struct slice id, char c);
/* There are no more. Never RESULTS_UNDECIDED. */
enum results_owner results_field_end(const struct results_field *field, struct slice id);

#endif
