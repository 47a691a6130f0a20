/* SPDX-License-Identifier: ISC
 *
 * shelf - the memory on disk: one LMDB file, keys and values of common/store_record.h.
 *
 * LMDB is seen here alone (shelf*.c). One process writes (one thread of it), another thread reads, and a child that
 * answers posternctl may read meanwhile, with a shelf of its own that it opened after the fork; never does one process
 * open the same file twice. The file grows to `bytes_max` and no further; where it is larger already it is as large as
 * it is. Commits go without syncing the meta page (MDB_NOMETASYNC): the last may be lost with the machine, never the
 * file. Nothing here logs.
 *
 * How LMDB 0.9.24 fails (tried): pages that cannot be written or synced (ENOSPC, EDQUOT, EFBIG, EIO) end that commit
 * alone, the next goes on as if it had not been. A meta page that cannot be written gives the same errors once, and
 * from then on refuses everything, reading too, until the file is opened anew (SHELF_REOPEN): that finds all that was
 * committed before. Pages are copied on write and come back two commits later, so a file that is really full takes not
 * even a deletion; therefore some of it is kept free (SHELF_RESERVE_PERCENT), from which deletions alone may take.
 *
 * A file that was cut off or is none of LMDB's is found when it is opened. One with damaged pages inside is not: LMDB
 * trusts what it maps, gives keys without values, and may end the process (SIGSEGV, SIGABRT; SIGBUS for a disk that
 * does not read) or write past its own heap. Who has died so has the file verified by a child, which may die, before he
 * opens it again.
 *
 * A reader that stands still in the middle of a walk (a child that was stopped) holds all pages of its time: in the end
 * everything is SHELF_FULL, deletions too, until it goes on or dies and shelf_check_readers has seen it.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_SHELF_H
#define POSTERN_WORKERS_STOREKEEPER_SHELF_H

#include "common/store_record.h"

enum shelf_result {
    SHELF_DONE,
    SHELF_NONE,    /* there is no such record; no such file */
    SHELF_FULL,    /* the file has reached its size, or the disk is full (ENOSPC, EDQUOT): try again later */
    SHELF_FAILED,  /* the disk or the kernel: errno-like, try again later */
    SHELF_DAMAGED, /* what is there is no store any more: set it aside, begin anew */
    SHELF_FOREIGN, /* of another layout than this program's */
    SHELF_REOPEN   /* the handle is spent, not the file: close it, open it anew */
};
enum {
    SHELF_RESERVE_PERCENT = 5, /* of the file's pages: no records are written into these */
    SHELF_NODE_BYTES = 10      /* that a record takes in its page beside key and value */
};
struct shelf; /* opaque */

/* One that is missing is made, in a directory that is there. `why_out` (may be NULL) gets words for the log, constant
 * or LMDB's own. */
enum shelf_result shelf_open(struct shelf **shelf_out, const char *directory, uint64_t bytes_max, const char **why_out);
/* Writes nothing to the file but the readers' table beside it; another process may be writing. */
enum shelf_result shelf_open_to_read(struct shelf **shelf_out, const char *directory, const char **why_out);
void shelf_close(struct shelf **shelf);

/* The file there, which nobody has open, gets another name in its directory: memory.damaged, in place of an older one,
 * or memory.damaged-later, where the older one is larger: a disk that damages whatever is made on it shall not take the
 * last good one. That name; NULL with errno. */
const char *shelf_set_aside(const char *directory);

/* The reading thread. Sees what is committed by now. */
enum shelf_result shelf_find(struct shelf *shelf, struct slice key, struct store_record *record_out);

/* The writing thread: these changes, in the order of their keys. record NULL: the key goes, if it is there. What is no
 * record's key is left out. All of them at once, or, where the file has no room for so many copies of pages, in pieces,
 * each whole or not there. Other than SHELF_DONE: the first pieces may be there, and to write all of them again does no
 * harm. SHELF_FULL: records are among them, and the reserve is all that is left; or readers hold too many old pages. */
struct shelf_change {
    struct slice key;
    const struct store_record *record;
};
enum shelf_result shelf_write(struct shelf *shelf, const struct shelf_change *changes, size_t count,
                              const char **why_out);

/* A walk through the keys, a slice at a time, each in a transaction of its own, so that it never stops the file from
 * reusing its pages for long. `from` is the last key that was seen (size 0: from the start), and is set to the last one
 * that was seen now. `see` returns false to end the slice early, behind the record that it has just seen. SHELF_NONE:
 * the end was reached. `prefix`: only keys that begin so; empty: all. By any thread, its own transaction. */
typedef bool shelf_see(void *context, struct slice key, const struct store_record *record);
enum shelf_result shelf_walk(struct shelf *shelf, struct store_key *from, struct slice prefix, size_t at_most,
                             shelf_see *see, void *context);

struct shelf_size {
    uint64_t records, bytes_used, bytes_max, file_bytes; /* bytes_used: pages that hold something, not free ones */
};
bool shelf_measure(struct shelf *shelf, struct shelf_size *out);
/* The last commit's meta page, too, is on disk when this is done. The writing thread. */
enum shelf_result shelf_sync(struct shelf *shelf);
/* Each minute: places of readers that died are freed. */
void shelf_check_readers(struct shelf *shelf);
/* Every page in use is read, every record looked at, pages are counted. SHELF_DONE: good. Writing continues meanwhile.
 */
enum shelf_result shelf_verify(struct shelf *shelf, uint64_t records_out[STORE_KINDS], const char **why_out);

#endif
