/* SPDX-License-Identifier: ISC
 *
 * Whether a file is what it says (shelf.h): before LMDB maps it, and page by page.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/storekeeper/shelf_internal.h"

/* Where what we look at stands in LMDB's two first pages (its format 1, 64 bits). */
enum { AT_MAGIC = 16, AT_VERSION = 20, AT_PAGE_BYTES = 40, AT_LAST_PAGE = 136, AT_COMMIT = 144, HEAD_BYTES = 152 };
enum { VERSION = 1, PAGE_BYTES_MIN = 512, PAGE_BYTES_MAX = 32768, VERIFY_SLICE = 20000 };
#define MAGIC     0xBEEFC0DEu
#define PAGES_MAX (UINT64_C(1) << 40)
/* Pages: more than any commit gives back; and it is not made that much longer. */
#define LACKS_MAX (UINT64_C(1) << 20)

struct head {
    uint32_t magic, version, page_bytes;
    uint64_t last_page, commit;
};

static bool read_head(int fd, off_t at, struct head *out)
{
    char octets[HEAD_BYTES];
    if (pread(fd, octets, sizeof(octets), at) != sizeof(octets))
        return false;
    memcpy(&out->magic, octets + AT_MAGIC, sizeof(out->magic));
    memcpy(&out->version, octets + AT_VERSION, sizeof(out->version));
    memcpy(&out->page_bytes, octets + AT_PAGE_BYTES, sizeof(out->page_bytes));
    memcpy(&out->last_page, octets + AT_LAST_PAGE, sizeof(out->last_page));
    memcpy(&out->commit, octets + AT_COMMIT, sizeof(out->commit));
    return true;
}

/* LMDB divides by the size of a page and multiplies with the number of the last without looking at them. */
static bool is_sane(const struct head *head)
{
    return head->magic == MAGIC && head->version == VERSION && head->page_bytes >= PAGE_BYTES_MIN &&
           head->page_bytes <= PAGE_BYTES_MAX && (head->page_bytes & (head->page_bytes - 1)) == 0 &&
           head->last_page >= 1 && head->last_page < PAGES_MAX;
}

/* The size is asked for last: who writes makes the file longer first. */
static enum shelf_result look_at(int fd, struct shelf_look *out, const char **why_out)
{
    struct head first, second;
    struct stat status;
    if (!read_head(fd, 0, &first) || !is_sane(&first) || !read_head(fd, (off_t)first.page_bytes, &second) ||
        !is_sane(&second) || second.page_bytes != first.page_bytes)
        return shelf_because(SHELF_DAMAGED, "it does not begin as it must", why_out);
    if (fstat(fd, &status) != 0)
        return shelf_result_of(errno, why_out);
    out->pages = (first.commit > second.commit ? first.last_page : second.last_page) + 1;
    out->bytes = out->pages * first.page_bytes;
    out->there = (uint64_t)status.st_size / first.page_bytes;
    if (out->pages > out->there + LACKS_MAX)
        return shelf_because(SHELF_DAMAGED, "its end was cut off", why_out);
    return SHELF_DONE;
}

enum shelf_result shelf_look(const char *path, struct shelf_look *out, const char **why_out)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *out = (struct shelf_look){.is_new = true};
    if (fd < 0)
        return errno == ENOENT ? SHELF_DONE : shelf_result_of(errno, why_out);
    enum shelf_result result = SHELF_DONE;
    if (fstat(fd, &status) != 0)
        result = shelf_result_of(errno, why_out);
    else if (!S_ISREG(status.st_mode))
        result = shelf_because(SHELF_FAILED, "it is no regular file", why_out);
    else if (status.st_size > 0) {
        out->is_new = false;
        result = look_at(fd, out, why_out);
    }
    close(fd);
    return result;
}

static uint64_t count_free_from(MDB_txn *txn, uint64_t page)
{
    MDB_cursor *cursor;
    struct shelf_freed freed = {.commit = 0};
    uint64_t count = 0;
    if (mdb_cursor_open(txn, SHELF_FREE_LIST, &cursor) != MDB_SUCCESS)
        return 0;
    while (shelf_next_freed(cursor, &freed) == MDB_SUCCESS)
        for (size_t i = 0; i < freed.count; i++) {
            size_t number;
            memcpy(&number, freed.numbers + i * sizeof(number), sizeof(number));
            count += number >= page;
        }
    mdb_cursor_close(cursor);
    return count;
}

bool shelf_lacks_nothing(struct shelf *shelf, const struct shelf_look *look)
{
    MDB_txn *txn;
    if (mdb_txn_begin(shelf->env, NULL, MDB_RDONLY, &txn) != MDB_SUCCESS)
        return false;
    uint64_t count = count_free_from(txn, look->there);
    mdb_txn_abort(txn);
    return count >= look->pages - look->there;
}

/* -- page by page */

struct verified {
    uint64_t *records; /* of each kind */
    bool is_bad;
};

static bool see(void *context, struct slice key, const struct store_record *record)
{
    struct verified *verified = context;
    enum store_kind kind;
    (void)record;
    verified->is_bad = !store_kind_of(key, &kind);
    if (!verified->is_bad)
        verified->records[kind]++;
    return !verified->is_bad;
}

static enum shelf_result count_pages(struct shelf *shelf, const char **why_out)
{
    struct shelf_room room;
    int code = shelf_room(shelf, &room);
    if (code != MDB_SUCCESS)
        return shelf_result_of(code, why_out);
    if (room.used + room.listed > room.max)
        return shelf_because(SHELF_DAMAGED, "more of its pages are used and free than there are", why_out);
    return SHELF_DONE;
}

enum shelf_result shelf_verify(struct shelf *shelf, uint64_t records_out[STORE_KINDS], const char **why_out)
{
    struct verified verified = {.records = records_out};
    struct store_key at = {.size = 0};
    enum shelf_result result = SHELF_DONE;
    memset(records_out, 0, STORE_KINDS * sizeof(records_out[0]));
    while (result == SHELF_DONE && !verified.is_bad)
        result = shelf_walk(shelf, &at, slice_make("", 0), VERIFY_SLICE, see, &verified);
    if (verified.is_bad)
        return shelf_because(SHELF_DAMAGED, "it holds a key that no record has", why_out);
    if (result != SHELF_NONE)
        return shelf_because(result, "its records cannot all be read", why_out);
    return count_pages(shelf, why_out);
}
