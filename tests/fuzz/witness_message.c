/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tests/fuzz/law.h"
#include "tests/fuzz/witness.h"
#include "tests/lib/body_oracle.h"
#include "tests/lib/results_oracle.h"

/* Each command inside is there for the one outside that is under way; all replies to those before it have left
 * (RFC 2920 section 3.2). */
void witness_may_say(struct witness *w, enum said said)
{
    const struct witness_outside *out = &w->outside;
    bool awaits = out->state == OUTSIDE_AWAITS || out->state == OUTSIDE_CHUNK;
    if (out->blind)
        return;
    enum said comes = said == SAID_XFORWARD ? SAID_MAIL : said;
    bool is_late = comes == SAID_MAIL && out->mail_is_due && out->pending == SAID_RCPT;
    if (comes == SAID_MAIL || said == SAID_RCPT || said == SAID_AUTH)
        law(awaits && (out->pending == comes || is_late), "%s inside, where the outside said %s", said_name(said),
            said_name(out->pending));
    if (said == SAID_QUIT && out->state == OUTSIDE_AWAITS) /* .. to which inside is not the answer, but is waited for */
        law(out->pending != SAID_OTHER, "QUIT inside, and a reply that is due has not left");
    if (said == SAID_DATA)
        law(awaits && (out->pending == SAID_DATA || out->pending == SAID_BDAT), "DATA inside, but none outside");
}

/* MAIL, or 354: what came of an earlier one does not count. */
void witness_message_begins(struct witness *w)
{
    w->outside_size = 0;
    w->chunk_refused = false;
    w->ends = w->commits = w->final_code = 0;
}

/* Inside's version begins with our line; what is behind it. */
static struct slice drop_received(struct witness *w, struct slice body, bool first_is_blank)
{
    static const char name[] = "Received: from ";
    if (!w->received || first_is_blank)
        return body;
    law(body.size > sizeof name && memcmp(body.at, name, sizeof name - 1) == 0, "no Received line");
    for (;;) {
        const char *lf = memchr(body.at, '\n', body.size);
        law(lf != NULL, "a Received line without end");
        slice_drop(&body, (size_t)(lf - body.at) + 1);
        if (body.size == 0 || (*body.at != ' ' && *body.at != '\t'))
            return body;
    }
}

/* What claims to be our results does not go inside. */
static struct slice without_forged(struct slice message)
{
    static char left[2 * WITNESS_MESSAGE_BYTES + 2];
    struct results_answer answer = {.text = left};
    results_oracle_ask(message, "mx.test", &answer);
    return slice_make(left, answer.size);
}

/* L2, L10: the outside has ended this message, cleanly, and inside has all of it and nothing else. */
void witness_message_ends_inside(struct witness *w, const struct witness_inside *in)
{
    static char runs[2 * WITNESS_MESSAGE_BYTES + 2];
    const struct witness_outside *out = &w->outside;
    bool by_data = out->pending == SAID_END, by_chunk = out->pending == SAID_BDAT && out->is_last;
    struct slice came = slice_make(w->outside_body, w->outside_size), went = slice_make(w->inside_body, w->inside_size);
    struct body_answer answer = {.runs = runs};

    witness_log(&w->inside_heard, "[message]", 9);
    if (out->blind)
        return;
    law(out->state == OUTSIDE_AWAITS && (by_data || by_chunk), "a message ends inside, and not outside");
    law(++w->ends == 1, "a message ends inside twice");
    if (in->binary) {
        answer = (struct body_answer){.runs = (char *)(uintptr_t)came.at, .runs_size = came.size, .size = came.size};
    } else {
        body_oracle_ask(came, by_chunk, w->mends, &answer);
        law(answer.ended && answer.fault == BODY_FINE, "a message ends inside that should have been refused");
    }
    law(w->size_limit == 0 || answer.size <= w->size_limit, "a message of %zu octets, over the limit",
        (size_t)answer.size);
    struct slice due = without_forged(slice_make(answer.runs, answer.runs_size));
    went = drop_received(w, went, due.size > 0 && (*due.at == ' ' || *due.at == '\t'));
    law(law_same(went, due), "another message went inside:\n%.*s\n-- for --\n%.*s", (int)went.size, went.at,
        (int)came.size, came.at);
    witness_log(&w->inside_heard, went.at, went.size);
}

/* For how much of what is in it may it be refused? Which of two is named depends on which was seen first. */
static int count_faults(const struct witness *w)
{
    static char runs[2 * WITNESS_MESSAGE_BYTES + 2];
    struct body_answer answer = {.runs = runs};
    struct slice came = slice_make(w->outside_body, w->outside_size);
    body_oracle_ask(came, w->outside.pending == SAID_BDAT, w->mends, &answer);
    bool is_looping = memmem(came.at, came.size, "eceived", 7) != NULL; /* hops are counted */
    return (answer.fault != BODY_FINE) + (w->size_limit != 0 && answer.size > w->size_limit) + is_looping;
}

/* L1: a yes is inside's, to exactly this message. */
void witness_message_answered(struct witness *w, int code)
{
    const struct window *window = &w->window;
    int faults = w->ends == 0 ? count_faults(w) : 0;
    w->is_ambiguous |= faults > 1;
    law(code < 300 || code >= 400, "%d to a message", code);
    law(code >= 400 || !w->chunk_refused, "%d to a message that has lost a chunk", code);
    if (code < 300)
        law(w->ends == 1 && w->commits == 1, "%d to a message that inside did not accept", code);
    if (w->commits > 0)
        law(code == w->final_code, "%d to a message, where inside said %d", code, w->final_code);
    else if (w->ends == 1 && w->final_code >= 400 && code != 421)
        law(code == w->final_code, "%d to a message, where inside said %d", code, w->final_code);
    if (code >= 500 && w->ends == 1)
        law(w->final_code >= 500, "own trouble after the dot is answered with %d", code);
    /* 552: inside may have named a smaller limit than the witness knows of */
    if (code >= 500 && code != 552 && window->trouble && !window->permanent && w->ends == 0)
        law(faults > 0 || w->outside.pending == SAID_BDAT, "own trouble is answered with %d", code);
    witness_message_begins(w);
}
