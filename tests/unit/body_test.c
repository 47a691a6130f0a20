/* SPDX-License-Identifier: ISC
 *
 * body: whatever comes in and however it is cut, what goes inside is in the language of L3, and only CRLF.CRLF (or
 * .CRLF at the very start) ends the message. An oracle that sees the whole input says what must come out. All of it
 * holds for chunks (where a dot ends nothing at all), and where octets that stand alone are mended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/body_oracle.h"
#include "workers/smtp/body.h"

enum { OUT_MAX = 1 << 17 };

struct result {
    char runs[OUT_MAX]; /* put together */
    size_t runs_size;
    size_t run_count;
    bool ended;
    size_t taken; /* octets up to and with the final dot's CRLF */
    uint64_t size;
    enum body_fault fault;
};

static struct body beginning; /* chunked or not, mending or not */

static void keep(struct result *result, struct slice run)
{
    assert_true(run.size > 0 && run.size <= OUT_MAX - result->runs_size);
    memcpy(result->runs + result->runs_size, run.at, run.size);
    result->runs_size += run.size;
    result->run_count++;
}

/* Feeds one piece as a reader does. The piece lies in memory of its own, so that a sanitizer sees a step too far. */
static void feed(struct body *body, struct slice piece, struct result *result)
{
    char *copy = malloc(piece.size + 1);
    assert_non_null(copy);
    memcpy(copy + 1, piece.at, piece.size); /* the end of the memory is the end of the piece */
    struct slice input = slice_make(copy + 1, piece.size), run;
    enum body_event event;
    while ((event = body_next(body, &input, &run)) == BODY_RUN)
        keep(result, run);
    result->ended = event == BODY_END;
    result->taken += piece.size - input.size;
    result->size = body->size;
    result->fault = body->fault;
    if (!result->ended)
        assert_int_equal(input.size, 0);
    free(copy);
}

static void reset(struct result *result)
{
    result->runs_size = result->run_count = result->taken = 0;
    result->ended = false;
    result->size = 0;
    result->fault = BODY_FINE;
}

/* Chunks end where their owner says so. */
static void finish(struct body *body, struct result *result)
{
    struct slice run;
    if (!body->chunked)
        return;
    if (body_finish(body, &run) == BODY_RUN)
        keep(result, run);
    assert_int_equal(body_finish(body, &run), BODY_END);
    result->ended = true;
    result->size = body->size;
    result->fault = body->fault;
}

static void feed_in_steps(struct slice input, size_t step, struct result *result)
{
    struct body body = beginning;
    reset(result);
    while (input.size > 0 && !result->ended) {
        struct slice piece = slice_make(input.at, input.size < step ? input.size : step);
        feed(&body, piece, result);
        slice_drop(&input, piece.size);
    }
    finish(&body, result);
}

static void feed_cut_once(struct slice input, size_t cut, struct result *result)
{
    struct body body = beginning;
    reset(result);
    feed(&body, slice_make(input.at, cut), result);
    if (!result->ended)
        feed(&body, slice_make(input.at + cut, input.size - cut), result);
    finish(&body, result);
}

static void ask_oracle(struct slice input, struct result *result)
{
    struct body_answer answer = {.runs = result->runs};
    reset(result);
    body_oracle_ask(input, beginning.chunked, beginning.mends, &answer);
    result->runs_size = answer.runs_size;
    result->ended = answer.ended;
    result->taken = answer.taken;
    result->size = answer.size;
    result->fault = answer.fault;
}

static void assert_same(const struct result *a, const struct result *b)
{
    assert_int_equal(a->ended, b->ended);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->fault, b->fault);
    assert_int_equal(a->runs_size, b->runs_size);
    assert_memory_equal(a->runs, b->runs, a->runs_size);
}

/* L3, of a whole message or of the beginning of one. */
static void assert_in_language(const struct result *result)
{
    struct slice rest = slice_make(result->runs, result->runs_size);
    assert_false(slice_has(rest, '\0'));
    while (rest.size > 0) {
        const char *end = memmem(rest.at, rest.size, "\r\n", 2);
        struct slice line = slice_make(rest.at, end ? (size_t)(end - rest.at) : rest.size);
        assert_false(slice_has(line, '\r'));
        assert_false(slice_has(line, '\n'));
        if (line.size > 0 && *line.at == '.' && (end || line.size > 1))
            assert_true(line.size >= 2 && line.at[1] == '.');
        slice_drop(&rest, line.size + 2);
        if (result->ended && result->fault == BODY_FINE)
            assert_non_null(end);
    }
}

static struct result whole, other;

static void check_input(struct slice input, bool every_cut)
{
    feed_in_steps(input, input.size + 1, &whole);
    ask_oracle(input, &other);
    assert_same(&whole, &other);
    assert_in_language(&whole);
    if (beginning.mends)
        assert_int_equal(whole.fault, BODY_FINE);
    feed_in_steps(input, 1, &other);
    assert_same(&whole, &other);
    for (size_t cut = 0; every_cut && cut <= input.size; cut++) {
        feed_cut_once(input, cut, &other);
        assert_same(&whole, &other);
    }
}

/* The vectors that were published, and ours. Each comes in the middle of a message, and as the first octets of one. */
static const struct {
    const char *name;
    struct slice vector;
    enum body_fault fault;
    bool ends;
} vectors[] = {
    /* clang-format off */
    { "CRLF.CRLF",              SLICE("\r\n.\r\n"),         BODY_FINE,    true },
    { "LF.LF",                  SLICE("\n.\n"),             BODY_BARE_LF, false },
    { "LF.CR",                  SLICE("\n.\r"),             BODY_BARE_LF, false },
    { "CR.LF",                  SLICE("\r.\n"),             BODY_BARE_CR, false },
    { "CR.CR",                  SLICE("\r.\r"),             BODY_BARE_CR, false },
    { "LF.CRLF",                SLICE("\n.\r\n"),           BODY_BARE_LF, false },
    { "CR.CRLF",                SLICE("\r.\r\n"),           BODY_BARE_CR, false },
    { "CRLF.LF",                SLICE("\r\n.\n"),           BODY_BARE_LF, false },
    { "CRLF.CR",                SLICE("\r\n.\r"),           BODY_BARE_CR, false },
    { "CRLF.CRCRLF",            SLICE("\r\n.\r\r\n"),       BODY_BARE_CR, false },
    { "CRCRLF.CRCRLF",          SLICE("\r\r\n.\r\r\n"),     BODY_BARE_CR, false },
    { "CRCRLF.CRLF",            SLICE("\r\r\n.\r\n"),       BODY_BARE_CR, true },
    { "LFCR.LFCR",              SLICE("\n\r.\n\r"),         BODY_BARE_LF, false },
    { "LFCR.CRLF",              SLICE("\n\r.\r\n"),         BODY_BARE_LF, false },
    { "CRLFCR.CRLF",            SLICE("\r\n\r.\r\n"),       BODY_BARE_CR, false },
    { "CRLFLF.CRLF",            SLICE("\r\n\n.\r\n"),       BODY_BARE_LF, false },
    { "CRLF NUL.CRLF",          SLICE("\r\n\0.\r\n"),       BODY_NUL,     false },
    { "CRLF.NUL CRLF",          SLICE("\r\n.\0\r\n"),       BODY_NUL,     false },
    { "CR NUL LF.CR NUL LF",    SLICE("\r\0\n.\r\0\n"),     BODY_BARE_CR, false },
    { "CRLF.CR NUL LF",         SLICE("\r\n.\r\0\n"),       BODY_BARE_CR, false },
    { "CRLF.SP CRLF",           SLICE("\r\n. \r\n"),        BODY_FINE,    false },
    { "CRLF.TAB CRLF",          SLICE("\r\n.\t\r\n"),       BODY_FINE,    false },
    { "CRLF SP.CRLF",           SLICE("\r\n .\r\n"),        BODY_FINE,    false },
    { "CRLF..CRLF",             SLICE("\r\n..\r\n"),        BODY_FINE,    false },
    { "CRLF...CRLF",            SLICE("\r\n...\r\n"),       BODY_FINE,    false },
    { "VT.VT",                  SLICE("\v.\v"),             BODY_FINE,    false },
    { "FF.FF",                  SLICE("\f.\f"),             BODY_FINE,    false },
    { "FS.FS",                  SLICE("\x1c.\x1c"),         BODY_FINE,    false },
    { "NEL.NEL",                SLICE("\x85.\x85"),         BODY_FINE,    false },
    { "U+0085",                 SLICE("\xc2\x85.\xc2\x85"), BODY_FINE,    false },
    { "U+2028",                 SLICE("\xe2\x80\xa8.\xe2\x80\xa8"), BODY_FINE, false },
    { "8-bit CRLF",             SLICE("\x8d\x8a.\x8d\x8a"), BODY_FINE,    false },
    { "CRLF.0xAE CRLF",         SLICE("\r\n.\xae\r\n"),     BODY_FINE,    false },
    { "CRLF.BS.CRLF",           SLICE("\r\n.\b.\r\n"),      BODY_FINE,    false },
    { "U+FF0E",                 SLICE("\r\n\xef\xbc\x8e\r\n"), BODY_FINE, false },
    { "^Z",                     SLICE("\r\n\x1a\r\n"),      BODY_FINE,    false },
    { "CRLF.CRLF behind LF.LF", SLICE("\n.\nx\r\n.\r\n"),   BODY_BARE_LF, true },
    { "LF.LF in CRLF lines",    SLICE("\r\nx\n.\nx\r\n"),   BODY_BARE_LF, false },
    /* clang-format on */
};

static struct slice put_together(char *memory, size_t size, struct slice before, struct slice vector,
                                 const char *behind)
{
    size_t behind_size = strlen(behind);
    assert_true(before.size + vector.size + behind_size <= size);
    memcpy(memory, before.at, before.size);
    memcpy(memory + before.size, vector.at, vector.size);
    memcpy(memory + before.size + vector.size, behind, behind_size);
    return slice_make(memory, before.size + vector.size + behind_size);
}

static const char second[] = "MAIL FROM:<evil@example.org>\r\nDATA\r\nsecond\r\n.\r\nQUIT\r\n";

static void vectors_end_nothing(void **unused)
{
    (void)unused;
    static const struct slice before = SLICE("Subject: one\r\n\r\nfirst message");
    char memory[512];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct slice input = put_together(memory, sizeof memory, before, vectors[i].vector, second);
        check_input(input, true);
        size_t end = vectors[i].ends ? before.size + vectors[i].vector.size : input.size - strlen("QUIT\r\n");
        if (!whole.ended || whole.fault != vectors[i].fault || whole.taken != end)
            fail_msg("%s: ended %d fault %s after %zu", vectors[i].name, whole.ended, body_fault_name(whole.fault),
                     whole.taken);
    }
}

static void vectors_as_first_octets_end_nothing(void **unused)
{
    (void)unused;
    char memory[512];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        check_input(put_together(memory, sizeof memory, (struct slice){"", 0}, vectors[i].vector, second), true);
        /* and without its first CRLF or LF, as the first line */
        struct slice vector = vectors[i].vector;
        while (vector.size > 0 && strchr("\r\n", *vector.at))
            slice_drop(&vector, 1);
        check_input(put_together(memory, sizeof memory, (struct slice){"", 0}, vector, second), true);
    }
}

/* Parsers that split long lines find a dot where none is; ours looks at many octets at once: no place may matter. */
static void vectors_behind_long_lines_end_nothing(void **unused)
{
    (void)unused;
    static char line[300], memory[600];
    memset(line, 'x', sizeof line);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        for (size_t size = 0; size < 200; size++)
            check_input(put_together(memory, sizeof memory, slice_make(line, size), vectors[i].vector, second), false);
}

static void check_every_input_of(size_t length)
{
    static const char alphabet[] = {'\r', '\n', '.', 'x', '\0'};
    char text[16];
    size_t count = 1;
    for (size_t i = 0; i < length; i++)
        count *= sizeof alphabet;
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0, digits = n; i < length; i++, digits /= sizeof alphabet)
            text[i] = alphabet[digits % sizeof alphabet];
        check_input(slice_make(text, length), n % 16 == 0);
    }
}

static void every_short_input_is_as_the_oracle_says(void **unused)
{
    (void)unused;
    check_every_input_of(7);
}

/* Random, but each time the same: long, so that blocks, their borders and what is behind them are all met. */
static void check_long_inputs(int rounds)
{
    static const char *const pieces[] = {
        "\r\n", "\r\n..",   "\r\n.x",   "....",   "a",    "some words of a usual length",
        "\r\n", "\r\n\r\n", "\xc3\xbc", "..\r\n", "\r\n", "\n",
        "\r",   "\r\n.\r\n"};
    enum { PIECES = sizeof pieces / sizeof *pieces, FINE = PIECES - 3, SIZE = 700 };
    uint32_t random = 1;
    for (int round = 0; round < rounds; round++) {
        char text[SIZE];
        size_t size = 0, kinds = round % 3 == 0 ? PIECES : FINE;
        while (size < SIZE - 40) {
            random = random * 1664525u + 1013904223u;
            const char *piece = pieces[(random >> 16) % kinds];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        struct slice input = slice_make(text, size);
        check_input(input, round < 60);
        for (size_t step = 2; step < 70; step += 7) {
            feed_in_steps(input, step, &other);
            assert_same(&whole, &other);
        }
    }
}

/* The same inputs, as chunks and mended: the oracle alone says what is right. */
static void chunks_and_what_is_mended(void **unused)
{
    (void)unused;
    static const struct body others[] = {{.chunked = true}, {.mends = true}, {.chunked = true, .mends = true}};
    for (size_t mode = 0; mode < sizeof others / sizeof *others; mode++) {
        beginning = others[mode];
        char memory[512];
        for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
            for (size_t size = 0; size < 70; size += 5) {
                char line[70];
                memset(line, 'x', sizeof line);
                check_input(put_together(memory, sizeof memory, slice_make(line, size), vectors[i].vector, second),
                            true);
            }
        check_every_input_of(6);
        check_long_inputs(500);
    }
    beginning = (struct body){0};
}

static void long_inputs_are_as_the_oracle_says(void **unused)
{
    (void)unused;
    check_long_inputs(3000);
}

static const struct {
    const char *name;
    struct body mode;
    struct slice input;
    const char *runs;
    uint64_t size, mended;
} mends[] = {
    /* clang-format off */
    { "a chunk's dots",       {.chunked = true}, SLICE(".\r\n..\r\na.\r\n.x"),  "..\r\n...\r\na.\r\n..x\r\n", 13, 0 },
    { "an empty message",     {.chunked = true}, SLICE(""),                       "",                           0, 0 },
    { "no line end",          {.chunked = true}, SLICE("a"),                      "a\r\n",                      1, 0 },
    { "LF alone",             {.mends = true},   SLICE("a\nb\n\r\n.\r\n"),       "a\r\nb\r\n\r\n",            6, 2 },
    { "CR alone",             {.mends = true},   SLICE("a\rb\r\r\n.\r\n"),       "a b \r\n",                   6, 2 },
    { "NUL",                  {.mends = true},   SLICE("a\0b\r\n.\r\n"),         "a b\r\n",                    5, 1 },
    { "a dot between LFs",    {.mends = true},   SLICE("a\n.\nb\r\n.\r\n"),      "a\r\n..\r\nb\r\n",           7, 2 },
    { "a dot behind a LF",    {.mends = true},   SLICE("a\n.\r\nb\r\n.\r\n"),   "a\r\n..\r\nb\r\n",           8, 1 },
    { "a dot before a LF",    {.mends = true},   SLICE("a\r\n.\nb\r\n.\r\n"),   "a\r\n..\r\nb\r\n",           8, 1 },
    { "a CR at the end",      {.chunked = true, .mends = true}, SLICE("a\r"),     "a \r\n",                     2, 1 },
    { "a chunk's LFs",        {.chunked = true, .mends = true}, SLICE("a\n.\n"),  "a\r\n..\r\n",                4, 2 },
    /* clang-format on */
};

static void what_is_mended_is_counted(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof mends / sizeof *mends; i++) {
        struct body body = mends[i].mode;
        reset(&whole);
        feed(&body, mends[i].input, &whole);
        finish(&body, &whole);
        if (!whole.ended || whole.size != mends[i].size || body.mended != mends[i].mended ||
            !slice_equal(slice_make(whole.runs, whole.runs_size), slice_of(mends[i].runs)))
            fail_msg("%s: \"%.*s\" size %d mended %d", mends[i].name, (int)whole.runs_size, whole.runs, (int)whole.size,
                     (int)body.mended);
    }
}

static const struct {
    const char *name, *input, *runs;
    uint64_t size;
} dots[] = {
    /* clang-format off */
    { "empty message",        ".\r\n",                      "",                  0 },
    { "one empty line",       "\r\n.\r\n",                  "\r\n",              2 },
    { "stuffed stays",        "..\r\n...x\r\n.\r\n",        "..\r\n...x\r\n",    3 + 5 },
    { "unstuffed is dropped", ".x\r\n. \r\n.\r\n",          "x\r\n \r\n",        3 + 3 },
    { "a dot in a line",      "a.\r\nb.c\r\n.\r\n",         "a.\r\nb.c\r\n",     9 },
    { "what follows is left", "a\r\n.\r\nQUIT\r\n",         "a\r\n",             3 },
    /* clang-format on */
};

static void dots_and_size(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof dots / sizeof *dots; i++) {
        check_input(slice_of(dots[i].input), true);
        assert_true(whole.ended);
        assert_int_equal(whole.size, dots[i].size);
        assert_int_equal(whole.runs_size, strlen(dots[i].runs));
        assert_memory_equal(whole.runs, dots[i].runs, whole.runs_size);
    }
}

static void an_ordinary_message_is_one_run(void **unused)
{
    (void)unused;
    static char text[65536 + 8];
    size_t size = 0;
    while (size < 65536 - 80) {
        memcpy(text + size, "..stuffed\r\nan ordinary line\r\n\r\n", 31);
        size += 31;
    }
    memcpy(text + size, ".\r\n", 3);
    feed_in_steps(slice_make(text, size + 3), sizeof text, &whole);
    assert_true(whole.ended);
    assert_int_equal(whole.runs_size, size);
    assert_int_equal(whole.run_count, 1);
}

static void runs_are_slices_of_the_input(void **unused)
{
    (void)unused;
    struct body body = {0};
    const char text[] = "one\r\ntwo\r";
    struct slice input = slice_of(text), run;
    assert_int_equal(body_next(&body, &input, &run), BODY_RUN);
    assert_ptr_equal(run.at, text);
    assert_int_equal(run.size, 8);
    assert_int_equal(body_next(&body, &input, &run), BODY_MORE);
    input = slice_of("\nx");
    assert_int_equal(body_next(&body, &input, &run), BODY_RUN);
    assert_true(slice_equal(run, slice_of("\r\n")));
}

static void the_end_is_said_again(void **unused)
{
    (void)unused;
    struct body body = {0};
    struct slice input = slice_of(".\r\nQUIT\r\n"), run;
    assert_int_equal(body_next(&body, &input, &run), BODY_END);
    assert_int_equal(body_next(&body, &input, &run), BODY_END);
    assert_true(slice_equal(input, slice_of("QUIT\r\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_end_nothing),
        cmocka_unit_test(vectors_as_first_octets_end_nothing),
        cmocka_unit_test(vectors_behind_long_lines_end_nothing),
        cmocka_unit_test(every_short_input_is_as_the_oracle_says),
        cmocka_unit_test(long_inputs_are_as_the_oracle_says),
        cmocka_unit_test(chunks_and_what_is_mended),
        cmocka_unit_test(what_is_mended_is_counted),
        cmocka_unit_test(dots_and_size),
        cmocka_unit_test(an_ordinary_message_is_one_run),
        cmocka_unit_test(runs_are_slices_of_the_input),
        cmocka_unit_test(the_end_is_said_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
