/* SPDX-License-Identifier: ISC
 *
 * body - how fast workers/smtp/body goes through a message: `bench-body [MILLISECONDS]`, for each measurement (100).
 *
 * The octets are few enough to be in the processor's caches, as they are when they were just read from a socket. One
 * line of JSON: GB/s for each kind of text, the median of five. Status 1 when the scanner did not give all of it back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workers/smtp/body.h"

enum { PIECE_BYTES = 65536, MEDIAN_OF = 5, PIECES_AT_A_TIME = 16 };

static const struct kind {
    const char *name;
    const char *line; /* what each line begins with; the rest is letters */
    size_t line_size; /* with CRLF; 0: no line ends */
} KINDS[] = {
    /* clang-format off */
    {"text",   "And so it goes on, ",  72},
    {"base64", "TG9yZW0gaXBzdW0gZG9s", 78},
    {"long",   "",                     0},
    {"dots",   "..",                   72},
    {"short",  "",                     12},
    /* clang-format on */
};

static size_t make_piece(const struct kind *k, char *piece)
{
    size_t line = k->line_size ? k->line_size : PIECE_BYTES, size = PIECE_BYTES / line * line;
    for (size_t i = 0; i < size; i++)
        piece[i] = (char)('a' + i % 26);
    for (size_t i = 0; k->line_size && i < size; i += line) {
        memcpy(piece + i, k->line, strlen(k->line));
        memcpy(piece + i + line - 2, "\r\n", 2);
    }
    return size;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* How much of it may go inside. */
static uint64_t feed(struct body *body, const char *octets, size_t size)
{
    struct slice input = {octets, size}, run;
    uint64_t given = 0;
    while (body_next(body, &input, &run) == BODY_RUN)
        given += run.size;
    return given;
}

static double measure(const struct kind *k, const char *piece, size_t size, uint64_t wanted_ns)
{
    struct body body = {0};
    uint64_t fed = 0, given = 0, began = now_ns(), took;
    do {
        for (int i = 0; i < PIECES_AT_A_TIME; i++) {
            given += feed(&body, piece, size);
            fed += size;
        }
        took = now_ns() - began;
    } while (took < wanted_ns);
    if (given != fed || body.fault != BODY_FINE) {
        fprintf(stderr, "body: %s: %llu octets of %llu came out\n", k->name, (unsigned long long)given,
                (unsigned long long)fed);
        exit(1);
    }
    return (double)fed / (double)took;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static char piece[PIECE_BYTES];
    uint64_t wanted_ns = (argc > 1 ? strtoull(argv[1], NULL, 10) : 100) * 1000000u;
    const char *separator = "{";
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        double rates[MEDIAN_OF];
        size_t size = make_piece(&KINDS[i], piece);
        for (int m = 0; m < MEDIAN_OF; m++)
            rates[m] = measure(&KINDS[i], piece, size, wanted_ns);
        qsort(rates, MEDIAN_OF, sizeof rates[0], by_size);
        printf("%s\"%s\": %.3f", separator, KINDS[i].name, rates[MEDIAN_OF / 2]);
        separator = ", ";
    }
    printf("}\n");
    return 0;
}
