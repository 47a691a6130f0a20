/* SPDX-License-Identifier: ISC
 *
 * report - what a talk's process leaves behind, in memory shared with the runner: so a crash or a hang tells as much as
 * a failed step does.
 *
 * The transcript is the conversation as it happened, a mark before each line (those of the talk's own language); the
 * oldest half goes when it is full.
 */
#ifndef POSTERN_TESTS_TALK_REPORT_H
#define POSTERN_TESTS_TALK_REPORT_H

#include "common/slice.h"

enum { REPORT_STEP_MAX = 256, REPORT_FAILURE_MAX = 4096, REPORT_TRANSCRIPT_MAX = 65536 };

struct report {
    int line; /* of the step that is being played; 0 before the first */
    char step[REPORT_STEP_MAX];
    char failure[REPORT_FAILURE_MAX]; /* "" = none */
    bool cut;
    size_t size;
    char transcript[REPORT_TRANSCRIPT_MAX];
};

struct report *report_new(void); /* shared with children; NULL with errno */
void report_free(struct report **report);
void report_clear(struct report *report);

/* One line of the transcript. */
void report_event(struct report *report, const char *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Octets as lines, each with the mark; what cannot be seen is escaped as in a talk. */
void report_octets(struct report *report, const char *mark, struct slice octets);

/* The failure's text, then the process ends. */
_Noreturn void report_fail(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Printable, with the escapes of a talk; "..." where it does not fit. Returns `text`. */
const char *octets_print(char *text, size_t text_size, struct slice octets);

#endif
