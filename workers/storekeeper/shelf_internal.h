/* SPDX-License-Identifier: ISC
 *
 * shelf_internal - what the units of the shelf share: LMDB's types stay in there.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_SHELF_INTERNAL_H
#define POSTERN_WORKERS_STOREKEEPER_SHELF_INTERNAL_H

#include <lmdb.h>

#include "workers/storekeeper/shelf.h"

struct shelf {
    MDB_env *env;
    MDB_dbi records;
    MDB_txn *reading; /* of shelf_find's thread alone; between two questions it holds no page */
};

/* LMDB's codes and errno's. */
enum shelf_result shelf_result_of(int code, const char **why_out);
enum shelf_result shelf_because(enum shelf_result result, const char *why, const char **why_out);

/* What a file says of itself, read before LMDB maps it. */
struct shelf_look {
    bool is_new;           /* not there, or empty */
    uint64_t pages, there; /* that it should have, and that it has */
    uint64_t bytes;        /* of all of them */
};
enum shelf_result shelf_look(const char *path, struct shelf_look *out, const char **why_out);
/* Pages that were taken and given back in the same commit at the file's end were never written: it may be shorter than
 * it says by these. Is it by these alone? */
bool shelf_lacks_nothing(struct shelf *shelf, const struct shelf_look *look);

/* Their own calls leave the value as it was where a damaged page says that it holds keys alone: it is empty then. */
int shelf_get(MDB_txn *txn, MDB_dbi table, MDB_val *key, MDB_val *value_out);
int shelf_step(MDB_cursor *cursor, MDB_val *key, MDB_val *value_out, MDB_cursor_op to);

/* An entry of LMDB's list of free pages. */
struct shelf_freed {
    size_t commit;       /* that set them free */
    size_t count;        /* of these pages */
    const char *numbers; /* of each, a size_t that nobody has aligned */
};
enum { SHELF_FREE_LIST = 0 }; /* LMDB's table of them, by its number */
/* From {.commit = 0} on; MDB_NOTFOUND behind the last. */
int shelf_next_freed(MDB_cursor *cursor, struct shelf_freed *freed);

/* In pages. */
struct shelf_room {
    uint64_t page_bytes, max, used;
    uint64_t leaves, branches, depth; /* of those used: the records' */
    uint64_t listed;                  /* in the file, and free */
    uint64_t ready;                   /* free, and may be written by the next commit if no reader holds them */
    uint64_t records;
};
int shelf_room(struct shelf *shelf, struct shelf_room *out);
/* A commit of its own, whether the mark is there already or not. */
int shelf_put_mark(struct shelf *shelf);
/* While nobody has a transaction. A file that has its size, or more than it is to have now, and nothing free in it
 * would take no deletion ever again: it may grow once more. */
int shelf_make_room(struct shelf *shelf);

#endif
