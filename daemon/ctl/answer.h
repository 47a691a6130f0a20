/* SPDX-License-Identifier: ISC
 *
 * answer - what posternd said to one request: its records, and how it ended.
 *
 * Everything is kept until it is shown, since columns are as wide as their widest value; but where there may be
 * millions of records they are taken as they come, some hundreds at a time. Out of memory ends the process.
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

enum { ANSWER_TAKEN_AT_ONCE = 500 };

struct answer;
typedef void answer_take(void *context, const struct answer *answer);

struct answer {
    struct answer_record *records; /* without the one that ended it */
    int count;
    enum answer_end end;
    struct answer_record error; /* why and try */
    bool draining;              /* said by a posternd that is stopping */
    int most;                   /* how many were wanted, 0: all */
    bool cut_short;             /* there were as many, or more */
    answer_take *take;          /* shown the records whenever there are so many, which then go; NULL: they stay */
    void *context;
};

/* A line without its LF. False: it is no record. */
bool answer_add(struct answer *answer, struct slice line);
const struct answer_field *answer_find(const struct answer_record *record, const char *key); /* NULL: it has none */
const char *answer_text(const struct answer_record *record, const char *key); /* "" where there is none */
void answer_clear(struct answer *answer);

#endif
