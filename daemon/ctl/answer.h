/* SPDX-License-Identifier: ISC
 *
 * answer - what posternd said to one request: its records, and how it ended.
 *
 * Everything is kept until it is shown, since columns are as wide as their widest value. Out of memory ends the
 * process.
 */
#ifndef POSTERN_CTL_ANSWER_H
#define POSTERN_CTL_ANSWER_H

#include "common/control.h"

struct answer_field {
    char *key;
    enum control_type type;
    char *text; /* any octet but the NUL that follows it; of numbers and flags as written */
    size_t size;
    int64_t number;
};

struct answer_record {
    char *kind;
    struct answer_field *fields;
    int count;
};

enum answer_end { ANSWER_CUT, ANSWER_OK, ANSWER_ERROR };

struct answer {
    struct answer_record *records; /* without the one that ended it */
    int count;
    enum answer_end end;
    struct answer_record error; /* why and try */
    bool draining;              /* said by a posternd that is stopping */
    int most;                   /* how many were wanted, 0: all */
    bool cut_short;             /* there were as many, or more */
};

/* A line without its LF. False: it is no record. */
bool answer_add(struct answer *answer, struct slice line);
const struct answer_field *answer_find(const struct answer_record *record, const char *key); /* NULL: it has none */
const char *answer_text(const struct answer_record *record, const char *key); /* "" where there is none */
void answer_clear(struct answer *answer);

#endif
