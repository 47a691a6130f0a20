/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/storekeeper/shelf_internal.h"

enum { PATH_ROOM = 4096, READERS_MAX = 64, READERS_BYTES = 8192 /* and some */, FILE_MODE = 0600 };
#define FILE_NAME   "memory.mdb"
#define ASIDE_NAME  "memory.damaged"
#define LATER_NAME  "memory.damaged-later"
#define LOCK_SUFFIX "-lock" /* LMDB's choice */

/* Sorts before all records, and is none. */
#define MARK_KEY "!"
#define MARK     "postern store 1"

enum shelf_result shelf_because(enum shelf_result result, const char *why, const char **why_out)
{
    if (why_out != NULL)
        *why_out = why;
    return result;
}

enum shelf_result shelf_result_of(int code, const char **why_out)
{
    enum shelf_result result = SHELF_FAILED;
    switch (code) {
    case MDB_SUCCESS:
        return SHELF_DONE;
    case MDB_NOTFOUND:
        return SHELF_NONE;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        result = SHELF_FULL;
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_DBI:
    case MDB_BAD_VALSIZE:
        result = SHELF_DAMAGED;
        break;
    case MDB_PANIC:
    case MDB_BAD_TXN:
    case MDB_BAD_RSLOT:
    case MDB_MAP_RESIZED:
        result = SHELF_REOPEN;
        break;
    default:
        break;
    }
    return shelf_because(result, mdb_strerror(code), why_out);
}

/* -- opening */

static bool make_path(char path[PATH_ROOM], const char *directory, const char *name)
{
    int size = snprintf(path, PATH_ROOM, "%s/%s", directory, name);
    if (size > 0 && size < PATH_ROOM)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static uint64_t whole_pages(uint64_t bytes)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/* LMDB makes the readers' table as a hole and writes where it is mapped: a disk that is full would end the process, and
 * a file that is good would be taken for a damaged one. What else is wrong with it LMDB says itself. */
static int keep_room_for_readers(const char *file)
{
    char path[PATH_ROOM];
    int size = snprintf(path, sizeof(path), "%s" LOCK_SUFFIX, file);
    int fd = size < PATH_ROOM ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE) : -1;
    if (fd < 0)
        return MDB_SUCCESS;
    int code = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, READERS_BYTES) == 0 ? MDB_SUCCESS : errno;
    close(fd);
    return code == ENOSPC || code == EDQUOT ? code : MDB_SUCCESS;
}

/* No read-ahead: a question takes one page from the disk at most, from anywhere in the file. Never WRITEMAP: a full
 * disk would end the process, and a stray pointer the file. */
static int open_env(struct shelf *shelf, const char *path, uint64_t bytes_max)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD | (bytes_max > 0 ? MDB_NOMETASYNC : MDB_RDONLY);
    int code = keep_room_for_readers(path);
    if (code == MDB_SUCCESS)
        code = mdb_env_create(&shelf->env);
    if (code == MDB_SUCCESS && bytes_max > 0)
        code = mdb_env_set_mapsize(shelf->env, whole_pages(bytes_max));
    if (code == MDB_SUCCESS)
        code = mdb_env_set_maxreaders(shelf->env, READERS_MAX);
    return code == MDB_SUCCESS ? mdb_env_open(shelf->env, path, flags, FILE_MODE) : code;
}

int shelf_get(MDB_txn *txn, MDB_dbi table, MDB_val *key, MDB_val *value_out)
{
    *value_out = (MDB_val){.mv_size = 0};
    return mdb_get(txn, table, key, value_out);
}

int shelf_step(MDB_cursor *cursor, MDB_val *key, MDB_val *value_out, MDB_cursor_op to)
{
    *value_out = (MDB_val){.mv_size = 0};
    return mdb_cursor_get(cursor, key, value_out, to);
}

/* Each has a later commit than the one before: a tree that leads back would be walked for ever. */
int shelf_next_freed(MDB_cursor *cursor, struct shelf_freed *freed)
{
    MDB_val key, value;
    size_t before = freed->commit;
    int code = shelf_step(cursor, &key, &value, MDB_NEXT);
    if (code != MDB_SUCCESS)
        return code;
    if (key.mv_size != sizeof(freed->commit) || value.mv_size < sizeof(freed->count))
        return MDB_CORRUPTED;
    memcpy(&freed->commit, key.mv_data, sizeof(freed->commit));
    memcpy(&freed->count, value.mv_data, sizeof(freed->count));
    freed->numbers = (const char *)value.mv_data + sizeof(freed->count);
    bool fits = freed->count <= value.mv_size / sizeof(size_t) - 1;
    return fits && freed->commit > before ? MDB_SUCCESS : MDB_CORRUPTED;
}

static bool is_mark(const MDB_val *value)
{
    return value->mv_size == sizeof(MARK) - 1 && memcmp(value->mv_data, MARK, sizeof(MARK) - 1) == 0;
}

static enum shelf_result look_for_mark(struct shelf *shelf, MDB_txn *txn, const char **why_out)
{
    MDB_val key = {sizeof(MARK_KEY) - 1, (void *)MARK_KEY}, value;
    MDB_stat stat;
    int code = mdb_dbi_open(txn, NULL, 0, &shelf->records);
    if (code == MDB_SUCCESS)
        code = shelf_get(txn, shelf->records, &key, &value);
    if (code == MDB_SUCCESS)
        return is_mark(&value) ? SHELF_DONE : shelf_because(SHELF_FOREIGN, "its layout is another version's", why_out);
    if (code != MDB_NOTFOUND)
        return shelf_result_of(code, why_out);
    code = mdb_stat(txn, shelf->records, &stat);
    if (code == MDB_SUCCESS && stat.ms_entries > 0)
        return shelf_because(SHELF_FOREIGN, "it holds something else than a memory", why_out);
    return code == MDB_SUCCESS ? SHELF_NONE : shelf_result_of(code, why_out);
}

int shelf_put_mark(struct shelf *shelf)
{
    MDB_val key = {sizeof(MARK_KEY) - 1, (void *)MARK_KEY}, value = {sizeof(MARK) - 1, (void *)MARK};
    MDB_txn *txn;
    int code = mdb_txn_begin(shelf->env, NULL, 0, &txn);
    if (code != MDB_SUCCESS)
        return code;
    code = mdb_put(txn, shelf->records, &key, &value, 0);
    if (code == MDB_SUCCESS)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

/* The transaction that read the mark becomes shelf_find's. */
static enum shelf_result begin(struct shelf *shelf, bool is_writer, const char **why_out)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(shelf->env, NULL, MDB_RDONLY, &txn);
    if (code != MDB_SUCCESS)
        return shelf_result_of(code, why_out);
    enum shelf_result result = look_for_mark(shelf, txn, why_out);
    /* A handle that a transaction has opened is the environment's when it has committed, and not before. */
    code = mdb_txn_commit(txn);
    if (result == SHELF_NONE && is_writer && code == MDB_SUCCESS)
        result = shelf_result_of(shelf_put_mark(shelf), why_out);
    if (result != SHELF_DONE)
        return result;
    if (code == MDB_SUCCESS && is_writer)
        code = shelf_make_room(shelf);
    if (code == MDB_SUCCESS)
        code = mdb_txn_begin(shelf->env, NULL, MDB_RDONLY, &shelf->reading);
    if (code == MDB_SUCCESS)
        mdb_txn_reset(shelf->reading);
    return shelf_result_of(code, why_out);
}

static enum shelf_result open_writer(struct shelf *shelf, const char *path, uint64_t bytes_max,
                                     const struct shelf_look *look, const char **why_out)
{
    bool is_short = look->there < look->pages;
    /* LMDB reads the file where it is mapped, and behind its end that ends the process. */
    if (is_short && truncate(path, (off_t)look->bytes) != 0)
        return shelf_result_of(errno, why_out);
    int code = open_env(shelf, path, bytes_max);
    if (code != MDB_SUCCESS)
        return shelf_result_of(code, why_out);
    enum shelf_result result = begin(shelf, true, why_out);
    if (result == SHELF_DONE && is_short && !shelf_lacks_nothing(shelf, look))
        return shelf_because(SHELF_DAMAGED, "its end was cut off", why_out);
    return result;
}

static enum shelf_result open_reader(struct shelf *shelf, const char *path, const struct shelf_look *look,
                                     const char **why_out)
{
    if (look->is_new)
        return shelf_because(SHELF_NONE, "it is not there", why_out);
    if (look->there < look->pages)
        return shelf_because(SHELF_FAILED, "its end was cut off, or is being written", why_out);
    int code = open_env(shelf, path, 0);
    return code == MDB_SUCCESS ? begin(shelf, false, why_out) : shelf_result_of(code, why_out);
}

static enum shelf_result open_any(struct shelf **shelf_out, const char *directory, uint64_t bytes_max,
                                  const char **why_out)
{
    char path[PATH_ROOM];
    struct shelf_look look = {0};
    *shelf_out = NULL;
    if (!make_path(path, directory, FILE_NAME))
        return shelf_result_of(errno, why_out);
    enum shelf_result result = shelf_look(path, &look, why_out);
    if (result != SHELF_DONE)
        return result;
    struct shelf *shelf = calloc(1, sizeof(*shelf));
    if (shelf == NULL)
        return shelf_result_of(ENOMEM, why_out);
    result =
        bytes_max > 0 ? open_writer(shelf, path, bytes_max, &look, why_out) : open_reader(shelf, path, &look, why_out);
    if (result == SHELF_DONE)
        *shelf_out = shelf;
    else
        shelf_close(&shelf);
    return result;
}

enum shelf_result shelf_open(struct shelf **shelf_out, const char *directory, uint64_t bytes_max, const char **why_out)
{
    return open_any(shelf_out, directory, bytes_max > 0 ? bytes_max : 1, why_out);
}

enum shelf_result shelf_open_to_read(struct shelf **shelf_out, const char *directory, const char **why_out)
{
    return open_any(shelf_out, directory, 0, why_out);
}

void shelf_close(struct shelf **shelf)
{
    struct shelf *old = *shelf;
    *shelf = NULL;
    if (old == NULL)
        return;
    if (old->reading != NULL)
        mdb_txn_abort(old->reading);
    if (old->env != NULL)
        mdb_env_close(old->env);
    free(old);
}

/* The lock goes with its file: what it says of readers is about that one. */
const char *shelf_set_aside(const char *directory)
{
    char path[PATH_ROOM], aside[PATH_ROOM];
    struct stat file, older;
    const char *name = ASIDE_NAME;
    if (!make_path(path, directory, FILE_NAME) || !make_path(aside, directory, name) || lstat(path, &file) != 0)
        return NULL;
    if (lstat(aside, &older) == 0 && older.st_size > file.st_size) { /* there is more in that one */
        name = LATER_NAME;
        if (!make_path(aside, directory, name))
            return NULL;
    }
    if (rename(path, aside) != 0 || !make_path(path, directory, FILE_NAME LOCK_SUFFIX))
        return NULL;
    return unlink(path) == 0 || errno == ENOENT ? name : NULL;
}

/* -- reading */

enum shelf_result shelf_find(struct shelf *shelf, struct slice key, struct store_record *record_out)
{
    MDB_val wanted = {key.size, (void *)key.at}, value;
    if (key.size == 0 || key.size > STORE_KEY_MAX)
        return SHELF_NONE;
    int code = mdb_txn_renew(shelf->reading);
    if (code != MDB_SUCCESS)
        return shelf_result_of(code, NULL);
    code = shelf_get(shelf->reading, shelf->records, &wanted, &value);
    if (code == MDB_SUCCESS && value.mv_size != sizeof(*record_out))
        code = MDB_CORRUPTED;
    else if (code == MDB_SUCCESS)
        memcpy(record_out, value.mv_data, sizeof(*record_out));
    mdb_txn_reset(shelf->reading);
    return shelf_result_of(code, NULL);
}

struct walk {
    struct store_key *from;
    struct slice prefix;
    size_t left; /* records that may still be seen */
    shelf_see *see;
    void *context;
};

static bool starts_with(struct slice key, struct slice prefix)
{
    return key.size >= prefix.size && (prefix.size == 0 || memcmp(key.at, prefix.at, prefix.size) == 0);
}

/* False: enough. A tree that leads back is damaged, and would be walked for ever. */
static bool see_one(struct walk *walk, const MDB_val *key, const MDB_val *value, int *code_out)
{
    struct slice at = slice_make(key->mv_data, key->mv_size);
    struct store_record record;
    if (slice_equal(at, slice_of(MARK_KEY)))
        return true;
    if (!starts_with(at, walk->prefix)) {
        *code_out = MDB_NOTFOUND;
        return false;
    }
    if (value->mv_size != sizeof(record) || at.size > STORE_KEY_MAX ||
        slice_order(at, store_key_slice(walk->from)) <= 0) {
        *code_out = MDB_CORRUPTED;
        return false;
    }
    memcpy(&record, value->mv_data, sizeof(record)); /* nobody has aligned it */
    memcpy(walk->from->text, at.at, at.size);
    walk->from->size = at.size;
    return walk->see(walk->context, at, &record) && --walk->left > 0;
}

static int walk_slice(struct walk *walk, MDB_cursor *cursor)
{
    struct slice start = walk->from->size > 0 ? store_key_slice(walk->from) : walk->prefix;
    MDB_val key = {start.size, (void *)start.at}, value;
    int code = shelf_step(cursor, &key, &value, start.size > 0 ? MDB_SET_RANGE : MDB_FIRST);
    if (code == MDB_SUCCESS && walk->from->size > 0 && key.mv_size == start.size &&
        memcmp(key.mv_data, start.at, start.size) == 0)
        code = shelf_step(cursor, &key, &value, MDB_NEXT);
    while (code == MDB_SUCCESS && see_one(walk, &key, &value, &code))
        code = shelf_step(cursor, &key, &value, MDB_NEXT);
    return code;
}

enum shelf_result shelf_walk(struct shelf *shelf, struct store_key *from, struct slice prefix, size_t at_most,
                             shelf_see *see, void *context)
{
    struct walk walk = {from, prefix, at_most, see, context};
    MDB_txn *txn;
    MDB_cursor *cursor;
    if (at_most == 0 || prefix.size > STORE_KEY_MAX)
        return at_most == 0 ? SHELF_DONE : SHELF_NONE;
    int code = mdb_txn_begin(shelf->env, NULL, MDB_RDONLY, &txn);
    if (code != MDB_SUCCESS)
        return shelf_result_of(code, NULL);
    code = mdb_cursor_open(txn, shelf->records, &cursor);
    if (code == MDB_SUCCESS) {
        code = walk_slice(&walk, cursor);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return shelf_result_of(code, NULL);
}

void shelf_check_readers(struct shelf *shelf)
{
    int dead;
    mdb_reader_check(shelf->env, &dead);
}
