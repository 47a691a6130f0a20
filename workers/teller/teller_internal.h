/* SPDX-License-Identifier: ISC
 *
 * What the units of the teller share: the answer, the open store, questions to the storekeeper, and the verbs.
 */
#ifndef POSTERN_WORKERS_TELLER_INTERNAL_H
#define POSTERN_WORKERS_TELLER_INTERNAL_H

#include "common/control.h"
#include "common/store_record.h"

#include "workers/storekeeper/shelf.h"
#include "workers/teller/teller.h"

enum {
    TELLER_BUFFER = 16 * CONTROL_RECORD_MAX,
    TELLER_WHY_MAX = 256,
    TELLER_SLICE = 1024,      /* records that are read in one transaction, at most */
    TELLER_ANSWER_MS = 10000, /* the storekeeper may be writing */
    TELLER_READ_MS = 2000     /* .. but who only wants to read is told what is on disk then */
};

/* Zero is valid. */
struct teller {
    const struct teller_setup *setup;
    int fd, ask;
    time_t now;
    struct shelf *shelf; /* NULL: it could not be opened */
    enum shelf_result opened;
    char why[TELLER_WHY_MAX]; /* .. why */
    uint64_t file_bytes;      /* when it was opened: in the sandbox no file can be looked at */
    struct buffer out;
    char memory[TELLER_BUFFER];
};

/* A record begins; what is there already leaves where it would not fit behind it. Who does not read ends the child. */
struct buffer *teller_record(struct teller *t, const char *kind);
void teller_flush(struct teller *t);
bool teller_has_room(const struct teller *t);
_Noreturn void teller_end(struct teller *t);
/* In place of the end. `try` may be NULL. */
_Noreturn void teller_complain(struct teller *t, const char *why, const char *try);
bool teller_is_word(const struct teller *t, int word, const char *wanted);

/* Ends the child with why, where there is nothing to read. */
void teller_need_shelf(struct teller *t);
_Noreturn void teller_complain_of_shelf(struct teller *t, enum shelf_result result, const char *why);
/* All records whose keys begin with `prefix`, in their order; ends the child where the store cannot be read. `see`
 * says false when there is no room for another record (teller_has_room): what is there leaves when no transaction is
 * open, since who asked may be slow to read. */
void teller_walk(struct teller *t, struct slice prefix, shelf_see *see, void *context);

/* -- the storekeeper */

void teller_need_keeper(struct teller *t); /* ends the child where nobody takes changes */
/* A change. Where there is no room for one more, there is when those before are written: it is asked again then. */
struct store_answer teller_change(struct teller *t, struct store_request *request);
struct store_answer teller_put(struct teller *t, const struct store_key *key, const struct store_record *record);
/* What was said before is on disk then. False: nobody answered in time, or the disk takes nothing. */
bool teller_settle(struct teller *t, int64_t wait_ms);
void teller_must_settle(struct teller *t);                  /* .. or the child ends */
_Noreturn void teller_complain_of_keeper(struct teller *t); /* it did not answer, or could not */
/* Was it there? */
bool teller_delete_one(struct teller *t, const struct store_key *key);
/* How many of those that begin so were meant, and are deleted. */
typedef bool teller_meant(const void *context, struct slice key);
int teller_delete(struct teller *t, struct slice prefix, teller_meant *is_meant, const void *context);

/* -- whom a word means: an address, its network or a domain, as it stands in keys */

/* An address is as many clients as there are lengths of networks in the greylist: the `number`th, from 0. False: there
 * are no more, or that is nobody. */
bool teller_client(const struct teller *t, struct slice word, int number, struct store_key *client_out);
/* Is one of them in the other: what was asked for, and what the key is about? */
bool teller_concerns(const struct network *asked, struct slice key);
/* A key's part `number` (1: behind the letter); empty: it has none. */
struct slice teller_part(struct slice key, int number);
/* In seconds since 1970; 0, never, is left out. */
void teller_time(struct buffer *to, const char *name, uint32_t at_s);

/* Each ends the child. */
typedef void teller_verb(struct teller *t);
teller_verb teller_greylist, teller_reputation, teller_store, teller_import;

#endif
