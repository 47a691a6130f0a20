/* SPDX-License-Identifier: ISC
 *
 * header_filter - what of a message's header does not go inside: Authentication-Results that claim to be ours (RFC 8601
 * section 5). Pure, cut anywhere.
 *
 * The input is a header section in order, as header_take gives it. Whole fields are left out, with their folded lines;
 * every other octet stays. What cannot be decided yet the owner holds, RESULTS_FIELD_MAX octets at most.
 */
#ifndef POSTERN_WORKERS_SMTP_HEADER_FILTER_H
#define POSTERN_WORKERS_SMTP_HEADER_FILTER_H

#include "workers/smtp/results_field.h"

/* All zero is the start. */
struct header_filter {
    struct slice id;  /* the owner's, before the first octet: whose results go. Empty: nobody's */
    bool ended;       /* nothing is left out any more */
    uint64_t removed; /* fields */
    /* private to header_filter.c */
    enum {
        FILTER_LINE_START,
        FILTER_KEPT,         /* in a line that goes inside */
        FILTER_UNDECIDED,    /* in a field that may be ours */
        FILTER_NEXT_LINE,    /* .. at the start of a line, which may be one of it */
        FILTER_DROPPED,      /* in one that is */
        FILTER_DROPPED_LINE, /* .. at the start of a line, which may be one of it */
        FILTER_DROPPED_LAST  /* in a line that is dropped, and the section is over */
    } state;
    struct results_field field;
};

enum filter_event {
    FILTER_MORE, /* *input is used up */
    FILTER_KEEP, /* what was held goes inside, and *run_out behind it */
    FILTER_HOLD, /* *run_out is to be held, behind what is held already */
    FILTER_DROP  /* what was held goes nowhere, nor does *run_out */
};

/* Takes from the front of *input; *run_out, which may be empty, is a piece of it. Ask again until FILTER_MORE. */
enum filter_event header_filter_next(struct header_filter *filter, struct slice *input, struct slice *run_out);
/* The section has ended, and `ended` is true; or a last line of it is still to be dropped, with which it ends: until
 * then what comes goes to header_filter_next. FILTER_KEEP or FILTER_DROP: what becomes of what is held. */
enum filter_event header_filter_finish(struct header_filter *filter);

#endif
