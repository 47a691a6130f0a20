/* SPDX-License-Identifier: ISC
 *
 * The octets of a message, as data and as chunks, refused and mended: what comes out is what the oracle says
 * (tests/lib/body_oracle.h), is in the language of L3, and does not depend on the cuts.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "tests/lib/body_oracle.h"

enum { OUT_MAX = 1 << 16 };

struct result {
    char runs[OUT_MAX];
    size_t size, taken;
    bool ended;
    struct body body;
};

static void keep(struct result *result, struct slice run)
{
    law(run.size > 0 && run.size <= OUT_MAX - result->size, "a run of %zu octets", run.size);
    memcpy(result->runs + result->size, run.at, run.size);
    result->size += run.size;
}

static void feed(struct result *result, struct slice piece)
{
    struct slice copy = law_copy(piece), rest = copy, run;
    enum body_event event;
    while ((event = body_next(&result->body, &rest, &run)) == BODY_RUN)
        keep(result, run);
    result->ended = event == BODY_END;
    result->taken += piece.size - rest.size;
    law(result->ended || rest.size == 0, "something is left");
    law_free(copy);
}

static void scan(struct result *result, struct slice input, size_t piece, bool chunked, bool mends)
{
    struct slice run;
    result->body = (struct body){.chunked = chunked, .mends = mends};
    result->size = result->taken = 0;
    result->ended = false;
    while (input.size > 0 && !result->ended)
        feed(result, law_take(&input, piece));
    if (!chunked)
        return;
    if (body_finish(&result->body, &run) == BODY_RUN)
        keep(result, run);
    law(body_finish(&result->body, &run) == BODY_END, "the end comes twice");
    result->ended = true;
}

static void check_language(const struct result *result)
{
    for (size_t i = 0; i < result->size; i++) {
        char c = result->runs[i], before = i > 0 ? result->runs[i - 1] : '\n';
        bool is_last = i + 1 == result->size;
        law(c != '\0', "a NUL");
        law(c != '\n' || (i > 0 && before == '\r'), "a bare LF");
        law(c != '\r' || (!is_last && result->runs[i + 1] == '\n'), "a bare CR");
        law(c != '.' || before != '\n' || (is_last && !result->ended) || result->runs[i + 1] == '.', "one dot");
    }
    bool fine = result->body.fault == BODY_FINE;
    law(!result->ended || !fine || result->size == 0 || result->runs[result->size - 1] == '\n', "no line end");
}

static void check_oracle(const struct result *result, struct slice input, bool chunked, bool mends)
{
    static char runs[OUT_MAX];
    struct body_answer answer = {.runs = runs};
    body_oracle_ask(input, chunked, mends, &answer);
    law(answer.ended == result->ended && answer.taken == result->taken, "it ends elsewhere");
    law(answer.fault == result->body.fault && answer.size == result->body.size, "fault or size");
    law(law_same(slice_make(runs, answer.runs_size), slice_make(result->runs, result->size)), "other octets");
}

static void check(struct slice input, size_t piece, bool chunked, bool mends)
{
    static struct result result;
    const size_t pieces[] = {input.size + 1, 1, piece};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        scan(&result, input, pieces[i], chunked, mends);
        check_oracle(&result, input, chunked, mends);
        check_language(&result);
    }
}

FUZZ
{
    size_t piece = law_take_octet(&input) + 1u;
    if (input.size > OUT_MAX / 2 - 2)
        return;
    for (int mode = 0; mode < 4; mode++)
        check(input, piece, (mode & 1) != 0, (mode & 2) != 0);
}
