/* SPDX-License-Identifier: ISC
 *
 * legacy - what a master leaves to the program that takes its place in the same process (upgrade.h): records as
 * control.h prints them, in a sealed memfd, and the descriptors that they name, which stay open and keep their numbers.
 *
 * Written in one go: what did not fit or could not be written is told by legacy_seal alone. Read field by field: what
 * is missing, no number or out of its range makes the whole bad, which is told by legacy_is_good alone, with the first
 * reason; until then nobody acts on what was read. Kinds and fields that a reader does not know are passed over.
 */
#ifndef POSTERN_DAEMON_LEGACY_H
#define POSTERN_DAEMON_LEGACY_H

#include "common/control.h"

/* How the program that is executed is told: "to MEMFD PROGRAM", "trial MEMFD" or "back MEMFD why". */
#define LEGACY_VARIABLE "POSTERN_UPGRADE"

enum { LEGACY_WHY_MAX = 256, LEGACY_BYTES_MAX = 64 << 20 };

struct legacy_kept {
    int fd;
    bool taken; /* a reader has asked for it */
};

struct legacy {
    int fd; /* the memfd, -1: none */
    /* All descriptors that the records name. A signal's handler looks at them, too (wayback.h): for a reader, the list
     * does not change any more. */
    struct legacy_kept *kept;
    int kept_count, kept_room;
    /* a writer's */
    bool failed;
    struct buffer record;
    char memory[CONTROL_RECORD_MAX];
    /* a reader's */
    struct slice text;
    char why[LEGACY_WHY_MAX]; /* empty: good so far */
};

#define LEGACY_NONE                                                                                                    \
    (struct legacy)                                                                                                    \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }

void legacy_clear(struct legacy *legacy); /* the descriptors that it names stay open */
/* All of them, and the memfd, over an exec; or not any more. Async-signal-safe. */
void legacy_keep_open(const struct legacy *legacy, bool kept);

/* -- writing */
bool legacy_create(struct legacy *legacy); /* false with errno */
void legacy_begin(struct legacy *legacy, const char *kind);
void legacy_put_number(struct legacy *legacy, const char *key, int64_t value);
void legacy_put_flag(struct legacy *legacy, const char *key, bool value);
void legacy_put_text(struct legacy *legacy, const char *key, struct slice value);
void legacy_put_string(struct legacy *legacy, const char *key, const char *value); /* NULL: left out */
void legacy_put_fd(struct legacy *legacy, const char *key, int fd);                /* -1: there is none */
void legacy_end(struct legacy *legacy);
bool legacy_seal(struct legacy *legacy); /* false with errno */

/* -- reading */
struct legacy_record {
    struct legacy *legacy;
    struct slice fields;
    size_t next; /* where to look for the one after it; zero: at the beginning */
};

/* False with why: no sealed memfd. */
bool legacy_open(struct legacy *legacy, int fd, char *why, size_t why_size);
/* The next record of this kind; a record that is all zero begins. */
bool legacy_next(struct legacy *legacy, const char *kind, struct legacy_record *record);
bool legacy_has(const struct legacy_record *record, const char *key);
int64_t legacy_number(const struct legacy_record *record, const char *key, int64_t least, int64_t most);
bool legacy_flag(const struct legacy_record *record, const char *key);
/* A copy that ends; what does not fit, or holds a NUL, is bad. How long it is. */
size_t legacy_text(const struct legacy_record *record, const char *key, char *to, size_t size);
size_t legacy_octets(const struct legacy_record *record, const char *key, char *to, size_t size); /* .. or holds any */
char *legacy_string(const struct legacy_record *record, const char *key); /* to be freed; NULL: bad */
int legacy_fd(const struct legacy_record *record, const char *key);       /* -1: there is none */
void legacy_leave(struct legacy *legacy, int fd);                         /* asked for, but of no use */
void legacy_close_left(struct legacy *legacy);                            /* those that nobody asked for */
void legacy_be_bad(struct legacy *legacy, const char *kind, const char *what);
bool legacy_is_good(const struct legacy *legacy, char *why, size_t why_size);

#endif
