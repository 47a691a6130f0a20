/* SPDX-License-Identifier: ISC
 *
 * What the file still has room for, and writing within that (shelf.h). LMDB copies each page that a commit changes, and
 * the old ones come back two commits later: a commit must not take so many that there are none for the next.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "workers/storekeeper/shelf_internal.h"

enum {
    META_PAGES = 2,
    PIECE_MAX = 8192, /* changes of one commit */
    PIECE_MIN = 4,    /* .. that is tried, whatever is free: it may bring pages back */
    SPARE = 48        /* pages for such a one */
};

static int count_free(MDB_txn *txn, struct shelf_room *room)
{
    MDB_cursor *cursor;
    struct shelf_freed freed = {.commit = 0};
    int code = mdb_cursor_open(txn, SHELF_FREE_LIST, &cursor);
    if (code != MDB_SUCCESS)
        return code;
    while ((code = shelf_next_freed(cursor, &freed)) == MDB_SUCCESS) {
        room->listed += freed.count;
        if (freed.commit < mdb_txn_id(txn)) /* the last one's may still be needed if the machine dies now */
            room->ready += freed.count;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? MDB_SUCCESS : code;
}

static uint64_t pages_of(const MDB_stat *stat)
{
    return stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages;
}

static int measure(struct shelf *shelf, MDB_txn *txn, struct shelf_room *out)
{
    MDB_stat records, list;
    MDB_envinfo info;
    int code = mdb_stat(txn, shelf->records, &records);
    if (code == MDB_SUCCESS)
        code = mdb_stat(txn, SHELF_FREE_LIST, &list);
    if (code == MDB_SUCCESS)
        code = mdb_env_info(shelf->env, &info);
    if (code != MDB_SUCCESS)
        return code;
    uint64_t in_file = info.me_last_pgno + 1;
    *out = (struct shelf_room){.page_bytes = records.ms_psize,
                               .max = info.me_mapsize / records.ms_psize,
                               .used = META_PAGES + pages_of(&records) + pages_of(&list),
                               .leaves = records.ms_leaf_pages,
                               .branches = records.ms_branch_pages,
                               .depth = records.ms_depth,
                               .records = records.ms_entries > 0 ? records.ms_entries - 1 : 0};
    out->ready = out->max > in_file ? out->max - in_file : 0;
    return count_free(txn, out);
}

int shelf_room(struct shelf *shelf, struct shelf_room *out)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(shelf->env, NULL, MDB_RDONLY, &txn);
    if (code != MDB_SUCCESS)
        return code;
    code = measure(shelf, txn, out);
    mdb_txn_abort(txn);
    return code;
}

static uint64_t reserve_of(const struct shelf_room *room)
{
    return room->max * SHELF_RESERVE_PERCENT / 100 + SPARE;
}

int shelf_make_room(struct shelf *shelf)
{
    struct shelf_room room;
    int code = shelf_room(shelf, &room);
    if (code != MDB_SUCCESS || room.ready >= 2 * SPARE)
        return code;
    return mdb_env_set_mapsize(shelf->env, (room.max + reserve_of(&room) + SPARE) * room.page_bytes);
}

static uint64_t file_bytes(struct shelf *shelf, int *fd_out)
{
    struct stat status;
    if (mdb_env_get_fd(shelf->env, fd_out) != MDB_SUCCESS || fstat(*fd_out, &status) != 0)
        return 0;
    return (uint64_t)status.st_size;
}

bool shelf_measure(struct shelf *shelf, struct shelf_size *out)
{
    struct shelf_room room;
    int fd;
    if (shelf_room(shelf, &room) != MDB_SUCCESS)
        return false;
    *out = (struct shelf_size){room.records, room.used * room.page_bytes, room.max * room.page_bytes,
                               file_bytes(shelf, &fd)};
    return true;
}

/* -- writing */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Pages that a commit of these may take, at worst nearly: each change another leaf, a deletion its neighbour too; what
 * is above them; new leaves half full; the list of what is free, written anew. */
static uint64_t pages_for(const struct shelf_room *room, const struct shelf_change *changes, size_t count)
{
    uint64_t leaves = 0, bytes = 0, numbers_a_page = room->page_bytes / sizeof(uint64_t);
    for (size_t i = 0; i < count; i++) {
        leaves += changes[i].record != NULL ? 1 : 2;
        if (changes[i].record != NULL)
            bytes += SHELF_NODE_BYTES + changes[i].key.size + sizeof(struct store_record);
    }
    uint64_t copied = lesser(leaves, room->leaves) + lesser(leaves, room->branches) + room->depth;
    return copied + bytes / (room->page_bytes / 2) + (copied + room->listed) / numbers_a_page + SPARE / 4;
}

static bool has_records(const struct shelf_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (changes[i].record != NULL)
            return true;
    return false;
}

/* As many of them as may go at once; 0: not one may. */
static size_t fitting(const struct shelf_room *room, const struct shelf_change *changes, size_t count,
                      uint64_t to_be_left)
{
    size_t piece = count < PIECE_MAX ? count : PIECE_MAX;
    while (piece > 0 && pages_for(room, changes, piece) + to_be_left > room->ready)
        piece /= 2;
    return piece;
}

static size_t next_piece(const struct shelf_room *room, const struct shelf_change *changes, size_t count)
{
    uint64_t reserve = reserve_of(room);
    if (!has_records(changes, count)) {
        size_t piece = fitting(room, changes, count, SPARE);
        return piece > PIECE_MIN || piece == count ? piece : lesser(count, PIECE_MIN);
    }
    return room->used + reserve > room->max ? 0 : fitting(room, changes, count, reserve);
}

/* Of what would fit if only the last commit's copies were no longer kept: one more commit, of next to nothing, and they
 * are not. Nobody else may come to make one. */
static int find_piece(struct shelf *shelf, const struct shelf_change *changes, size_t count, size_t *piece_out)
{
    struct shelf_room room;
    int code = shelf_room(shelf, &room);
    *piece_out = code == MDB_SUCCESS ? next_piece(&room, changes, count) : 0;
    if (code != MDB_SUCCESS || *piece_out > 0 || room.used + reserve_of(&room) > room.max)
        return code;
    code = shelf_put_mark(shelf);
    if (code == MDB_SUCCESS)
        code = shelf_room(shelf, &room);
    *piece_out = code == MDB_SUCCESS ? next_piece(&room, changes, count) : 0;
    return code;
}

static int change(struct shelf *shelf, MDB_txn *txn, const struct shelf_change *one)
{
    MDB_val key = {one->key.size, (void *)one->key.at};
    enum store_kind kind;
    if (!store_kind_of(one->key, &kind))
        return MDB_SUCCESS;
    if (one->record == NULL) {
        int code = mdb_del(txn, shelf->records, &key, NULL);
        return code == MDB_NOTFOUND ? MDB_SUCCESS : code;
    }
    MDB_val value = {sizeof(*one->record), (void *)one->record};
    return mdb_put(txn, shelf->records, &key, &value, 0);
}

static int commit(struct shelf *shelf, const struct shelf_change *changes, size_t count)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(shelf->env, NULL, 0, &txn);
    if (code != MDB_SUCCESS)
        return code;
    for (size_t i = 0; i < count && code == MDB_SUCCESS; i++)
        code = change(shelf, txn, &changes[i]);
    if (code == MDB_SUCCESS)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

/* A file that is as long as it says was not cut off (shelf_lacks_nothing). It is a hole, and takes no room. */
static void keep_whole(struct shelf *shelf)
{
    MDB_envinfo info;
    MDB_stat stat;
    int fd;
    if (mdb_env_info(shelf->env, &info) != MDB_SUCCESS || mdb_env_stat(shelf->env, &stat) != MDB_SUCCESS)
        return;
    uint64_t bytes = (info.me_last_pgno + 1) * stat.ms_psize, is = file_bytes(shelf, &fd);
    if (is > 0 && is < bytes && ftruncate(fd, (off_t)bytes) != 0)
        return; /* it is looked at when it is opened */
}

enum shelf_result shelf_write(struct shelf *shelf, const struct shelf_change *changes, size_t count,
                              const char **why_out)
{
    while (count > 0) {
        size_t piece;
        int code = find_piece(shelf, changes, count, &piece);
        if (code == MDB_SUCCESS)
            code = piece > 0 ? commit(shelf, changes, piece) : MDB_MAP_FULL;
        if (code != MDB_SUCCESS)
            return shelf_result_of(code, why_out);
        keep_whole(shelf);
        changes += piece;
        count -= piece;
    }
    return SHELF_DONE;
}

enum shelf_result shelf_sync(struct shelf *shelf)
{
    return shelf_result_of(mdb_env_sync(shelf->env, 1), NULL);
}
