/* SPDX-License-Identifier: ISC
 *
 * What is gathered to go inside, piece by piece: our own lines on top, the client's header without what claims to be
 * ours (L10), the rest as it is.
 */
#include "common/clock.h"
#include "common/must.h"

#include "workers/trace.h"
#include "workers/transfer_internal.h"

static const struct slice NONE = SLICE("");

void transfer_add(struct transfer *t, struct slice octets)
{
    t->pieces[t->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)octets.at, .iov_len = octets.size};
}

/* RFC 8601 section 4 wants what checks found above the Received line, as RFC 7208 section 9.1 does Received-SPF. */
static void print_trace(struct buffer *to, const struct session *s)
{
    if (s->options->authentication_results)
        trace_results(to, s);
    if (s->options->received_spf)
        trace_spf(to, s);
    if (s->options->received)
        trace_received(to, s, clock_wall());
}

/* They go on top, but never before a first line that begins with a blank: that would become part of them (L10). */
void transfer_begin_message(struct transfer *t, struct slice first)
{
    bool blank = first.size > 0 && (first.at[0] == ' ' || first.at[0] == '\t');
    if (t->begun)
        return;
    t->begun = true;
    buffer_init(&t->trace, t->s->transaction.trace_text, TRACE_MAX);
    if (!blank)
        print_trace(&t->trace, t->s);
    if (buffer_unread(&t->trace).size > 0)
        transfer_add(t, buffer_unread(&t->trace));
}

/* What was gathered leaves, if nothing speaks against it. */
static void make_room(struct transfer *t)
{
    transfer_judge(t, false);
    if (!t->refused)
        transfer_forward(t);
}

/* A run that was cut at the end of the header is one piece again. */
static bool is_behind_last(const struct transfer *t, struct slice run)
{
    if (t->count == 0)
        return false;
    const struct iovec *last = &t->pieces[t->count - 1];
    return (const char *)last->iov_base + last->iov_len == run.at;
}

static void gather(struct transfer *t, struct slice run)
{
    if (t->refused || run.size == 0)
        return;
    transfer_begin_message(t, run);
    if (is_behind_last(t, run)) {
        t->pieces[t->count - 1].iov_len += run.size;
        return;
    }
    if (t->count == PIECES_MAX)
        make_room(t);
    if (!t->refused)
        transfer_add(t, run);
}

/* -- the header -- */

static void hold(struct transfer *t, struct slice run)
{
    if (t->held_is_gathered && t->count > 0) /* its memory is needed */
        make_room(t);
    t->held_is_gathered = false;
    if (!t->refused)
        must(buffer_put(&t->held, run));
}

static void release(struct transfer *t)
{
    struct slice held = buffer_unread(&t->held);
    if (held.size == 0)
        return;
    gather(t, held);
    buffer_clear(&t->held);
    t->held_is_gathered = true;
}

static void sift(struct transfer *t, struct slice section)
{
    struct header_filter *filter = &t->s->transaction.filter;
    struct slice run;
    for (;;) {
        switch (header_filter_next(filter, &section, &run)) {
        case FILTER_MORE:
            return;
        case FILTER_KEEP:
            release(t);
            gather(t, run);
            break;
        case FILTER_HOLD:
            hold(t, run);
            break;
        case FILTER_DROP:
            buffer_clear(&t->held);
            break;
        }
    }
}

void transfer_end_header(struct transfer *t)
{
    struct header_filter *filter = &t->s->transaction.filter;
    if (!filter->ended && header_filter_finish(filter) == FILTER_KEEP)
        release(t);
    buffer_clear(&t->held);
}

void transfer_gather(struct transfer *t, struct slice run)
{
    struct transaction *mail = &t->s->transaction;
    if (!mail->filter.ended) {
        sift(t, header_take(&mail->header, &run));
        if (!mail->header.ended)
            return;
        transfer_end_header(t);
        sift(t, run);
        return;
    }
    gather(t, run);
}

void transfer_begin_gathering(struct transfer *t)
{
    const struct session *s = t->s;
    buffer_init(&t->held, t->s->transaction.held_text, RESULTS_FIELD_MAX);
    t->s->transaction.filter.id = s->options->authentication_results ? slice_of(trace_authserv_id(s)) : NONE;
}
