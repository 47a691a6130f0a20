/* SPDX-License-Identifier: ISC
 *
 * What of a message's header goes inside: all of it but whole fields that claim to be our results, as the oracle says
 * (tests/lib/results_oracle.h), however it is cut; nothing behind the header is touched; what is held is bounded.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "tests/lib/results_oracle.h"
#include "workers/smtp/header.h"
#include "workers/smtp/header_filter.h"

enum { OUT_MAX = 1 << 14 };

static const char ID[] = "mx.test";

/* As who sends a message inside does it: workers/transfer_gather. */
struct sender {
    char sent[OUT_MAX], held[RESULTS_FIELD_MAX];
    size_t sent_size, held_size;
    struct header header;
    struct header_filter filter;
};

static void send_on(struct sender *s, const char *octets, size_t size)
{
    law(size <= sizeof s->sent - s->sent_size, "more comes out than went in");
    memcpy(s->sent + s->sent_size, octets, size);
    s->sent_size += size;
}

static void follow(struct sender *s, enum filter_event event, struct slice run)
{
    if (event == FILTER_HOLD) {
        law(run.size <= sizeof s->held - s->held_size, "too much is held");
        memcpy(s->held + s->held_size, run.at, run.size);
        s->held_size += run.size;
        return;
    }
    if (event == FILTER_KEEP) {
        send_on(s, s->held, s->held_size);
        send_on(s, run.at, run.size);
    }
    s->held_size = 0;
}

static void sift(struct sender *s, struct slice section)
{
    struct slice run;
    enum filter_event event;
    while ((event = header_filter_next(&s->filter, &section, &run)) != FILTER_MORE)
        follow(s, event, run);
    law(section.size == 0, "something is left");
}

static void finish(struct sender *s)
{
    if (!s->filter.ended)
        follow(s, header_filter_finish(&s->filter), slice_make("", 0));
}

static void feed(struct sender *s, struct slice piece)
{
    struct slice copy = law_copy(piece), rest = copy;
    sift(s, header_take(&s->header, &rest));
    if (s->header.ended)
        finish(s);
    sift(s, rest);
    law_free(copy);
}

static void check(struct slice input, size_t piece)
{
    static struct sender s;
    static char text[OUT_MAX];
    struct results_answer answer = {.text = text};
    struct slice rest = input;
    s.sent_size = s.held_size = 0;
    s.header = (struct header){0};
    s.filter = (struct header_filter){.id = slice_of(ID)};
    while (rest.size > 0)
        feed(&s, law_take(&rest, piece));
    finish(&s);
    results_oracle_ask(input, ID, &answer);
    law(answer.removed == s.filter.removed, "%llu fields are removed, %llu should be",
        (unsigned long long)s.filter.removed, (unsigned long long)answer.removed);
    law(law_same(slice_make(s.sent, s.sent_size), slice_make(text, answer.size)),
        "other octets:\n%.*s\n-- for --\n%.*s", (int)s.sent_size, s.sent, (int)answer.size, text);
}

FUZZ
{
    size_t piece = law_take_octet(&input) + 1u;
    if (input.size > OUT_MAX)
        return;
    check(input, input.size + 1);
    check(input, 1);
    check(input, piece);
}
