/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/log.h"
#include "common/must.h"
#include "common/scoreboard.h"
#include "common/seats.h"

enum { HASHED_MAX = 2048, PAGE_BYTES = 4096 };

_Static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot is a page");
_Static_assert(BERTHS_PROBES == (int)SCOREBOARD_SERVERS_MAX, "a probe of each server");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "no lock that a dying worker could hold");

enum access { NONE, READ, WRITE, OWN_PAGE };

/* The one place where it is said who may do what. */
static const enum access ACCESS[ROLES][REGIONS] = {
    [ROLE_MASTER] = {[REGION_TAGS] = WRITE,
                     [REGION_SLOTS] = READ,
                     [REGION_HEARD] = WRITE,
                     [REGION_HEALTH] = READ,
                     [REGION_LIST_TESTS] = NONE,
                     [REGION_LIST_COUNTS] = NONE,
                     [REGION_KEYS] = NONE,
                     [REGION_ORDERS] = WRITE,
                     [REGION_LISTED] = WRITE,
                     [REGION_BERTHS] = WRITE,
                     [REGION_SEATS] = WRITE,
                     [REGION_RATES] = WRITE,
                     [REGION_REPUTATIONS] = WRITE,
                     [REGION_HITS] = WRITE,
                     [REGION_TOTALS] = WRITE,
                     [REGION_HISTORY] = NONE,
                     [REGION_STORE] = READ},
    [ROLE_WORKER] = {[REGION_TAGS] = WRITE,
                     [REGION_SLOTS] = OWN_PAGE,
                     [REGION_HEARD] = WRITE,
                     [REGION_HEALTH] = READ,
                     [REGION_LIST_TESTS] = READ,
                     [REGION_LIST_COUNTS] = WRITE,
                     [REGION_KEYS] = READ,
                     [REGION_ORDERS] = READ,
                     [REGION_LISTED] = READ,
                     [REGION_BERTHS] = WRITE,
                     [REGION_SEATS] = WRITE,
                     [REGION_RATES] = WRITE,
                     [REGION_REPUTATIONS] = WRITE,
                     [REGION_HITS] = WRITE,
                     [REGION_TOTALS] = NONE,
                     [REGION_HISTORY] = NONE,
                     [REGION_STORE] = READ},
    [ROLE_HOUSEKEEPER] = {[REGION_TAGS] = READ,
                          [REGION_SLOTS] = READ,
                          [REGION_HEARD] = WRITE,
                          [REGION_HEALTH] = WRITE,
                          [REGION_LIST_TESTS] = WRITE,
                          [REGION_LIST_COUNTS] = WRITE,
                          [REGION_KEYS] = WRITE,
                          [REGION_ORDERS] = READ,
                          [REGION_LISTED] = NONE,
                          [REGION_BERTHS] = WRITE,
                          [REGION_SEATS] = NONE,
                          [REGION_RATES] = WRITE,
                          [REGION_REPUTATIONS] = WRITE,
                          [REGION_HITS] = NONE,
                          [REGION_TOTALS] = READ,
                          [REGION_HISTORY] = WRITE,
                          [REGION_STORE] = READ},
    [ROLE_STOREKEEPER] = {[REGION_TAGS] = NONE,
                          [REGION_SLOTS] = NONE,
                          [REGION_HEARD] = NONE,
                          [REGION_HEALTH] = NONE,
                          [REGION_LIST_TESTS] = NONE,
                          [REGION_LIST_COUNTS] = NONE,
                          [REGION_KEYS] = NONE,
                          [REGION_ORDERS] = READ,
                          [REGION_LISTED] = NONE,
                          [REGION_BERTHS] = NONE,
                          [REGION_SEATS] = NONE,
                          [REGION_RATES] = NONE,
                          [REGION_REPUTATIONS] = WRITE,
                          [REGION_HITS] = NONE,
                          [REGION_TOTALS] = NONE,
                          [REGION_HISTORY] = NONE,
                          [REGION_STORE] = WRITE},
    [ROLE_READER] = {[REGION_TAGS] = READ,
                     [REGION_SLOTS] = READ,
                     [REGION_HEARD] = READ,
                     [REGION_HEALTH] = READ,
                     [REGION_LIST_TESTS] = READ,
                     [REGION_LIST_COUNTS] = READ,
                     [REGION_KEYS] = NONE,
                     [REGION_ORDERS] = READ,
                     [REGION_LISTED] = READ,
                     [REGION_BERTHS] = READ,
                     [REGION_SEATS] = READ,
                     [REGION_RATES] = READ,
                     [REGION_REPUTATIONS] = READ,
                     [REGION_HITS] = READ,
                     [REGION_TOTALS] = READ,
                     [REGION_HISTORY] = READ,
                     [REGION_STORE] = READ},
};

static const char *const NAMES[REGIONS] = {
    [REGION_TAGS] = "postern-tags",
    [REGION_SLOTS] = "postern-slots",
    [REGION_HEARD] = "postern-heard",
    [REGION_HEALTH] = "postern-health",
    [REGION_KEYS] = "postern-keys",
    [REGION_ORDERS] = "postern-orders",
    [REGION_LISTED] = "postern-listed",
    [REGION_SEATS] = "postern-seats",
    [REGION_RATES] = "postern-rates",
    [REGION_REPUTATIONS] = "postern-reputations",
    [REGION_HITS] = "postern-hits",
    [REGION_TOTALS] = "postern-totals",
    [REGION_HISTORY] = "postern-history",
    [REGION_BERTHS] = "postern-berths",
    [REGION_LIST_TESTS] = "postern-list-tests",
    [REGION_LIST_COUNTS] = "postern-list-counts",
    [REGION_STORE] = "postern-store",
};

static size_t bytes_of(const struct scoreboard *board, enum scoreboard_region region)
{
    size_t slots = (size_t)board->slot_count;
    switch (region) {
    case REGION_TAGS:
        return slots * sizeof(uint32_t);
    case REGION_SLOTS:
        return slots * SLOT_BYTES;
    case REGION_HEARD:
        return SCOREBOARD_SERVERS_MAX * sizeof(struct heard);
    case REGION_HEALTH:
        return SCOREBOARD_SERVERS_MAX * sizeof(struct health);
    case REGION_LIST_TESTS:
        return sizeof(struct dnslist_tests);
    case REGION_LIST_COUNTS:
        return sizeof(struct dnslist_counts);
    case REGION_KEYS:
        return sizeof(struct ticket_keys);
    case REGION_ORDERS:
        return orders_bytes(board->slot_count);
    case REGION_LISTED:
        return sizeof(struct listed);
    case REGION_SEATS:
        return SCOREBOARD_SEATS_MAX * slots * sizeof(uint32_t);
    case REGION_BERTHS:
        return (BERTHS_PROBES + slots) * sizeof(uint64_t);
    case REGION_RATES:
        return table_bytes((uint64_t)board->size.rates);
    case REGION_REPUTATIONS:
        return table_bytes((uint64_t)board->size.reputations);
    case REGION_HITS:
        return sizeof(struct hits);
    case REGION_TOTALS:
        return sizeof(struct totals_ended);
    case REGION_HISTORY:
        return sizeof(struct history);
    case REGION_STORE:
        return store_board_bytes(board->slot_count);
    case REGIONS:
        break;
    }
    return 0;
}

static size_t slot_offset(int slot)
{
    return (size_t)slot * SLOT_BYTES;
}

static void **view_of(struct scoreboard *board, enum scoreboard_region region)
{
    void **const views[REGIONS] = {
        [REGION_TAGS] = (void **)&board->tags,
        [REGION_SLOTS] = (void **)&board->slots,
        [REGION_HEARD] = (void **)&board->heard,
        [REGION_HEALTH] = (void **)&board->health,
        [REGION_KEYS] = (void **)&board->keys,
        [REGION_ORDERS] = (void **)&board->orders,
        [REGION_LISTED] = (void **)&board->listed,
        [REGION_SEATS] = (void **)&board->seats,
        [REGION_RATES] = (void **)&board->rates.words,
        [REGION_REPUTATIONS] = (void **)&board->reputations.words,
        [REGION_HITS] = (void **)&board->hits,
        [REGION_TOTALS] = (void **)&board->ended,
        [REGION_HISTORY] = (void **)&board->history,
        [REGION_BERTHS] = (void **)&board->berths,
        [REGION_LIST_TESTS] = (void **)&board->list_tests,
        [REGION_LIST_COUNTS] = (void **)&board->list_counts,
        [REGION_STORE] = (void **)&board->store,
    };
    return views[region];
}

/* The log reads its level from the orders, in a child that has not entered yet as well. */
static bool is_hidden(const struct scoreboard *board, enum scoreboard_region region)
{
    return board->hidden_by != 0 && region != REGION_ORDERS;
}

static void unmap_view(struct scoreboard *board, enum scoreboard_region region)
{
    void **view = view_of(board, region);
    if (region == REGION_ORDERS)
        log_follow(NULL);
    if (*view != NULL && (!is_hidden(board, region) || board->hidden_by == getpid()))
        munmap(*view, bytes_of(board, region));
    *view = NULL;
}

static bool map_view(struct scoreboard *board, enum scoreboard_region region, enum access access)
{
    void **view = view_of(board, region);
    if (access == READ)
        *view = region_map_readonly(&board->regions[region]);
    if (access == WRITE)
        *view = region_map(&board->regions[region]);
    return *view != NULL || access == NONE || access == OWN_PAGE;
}

/* Every process that sees the orders has its log follow them: here, where it is known how long they are mapped. */
static bool map_views(struct scoreboard *board, enum scoreboard_role role)
{
    for (int i = 0; i < REGIONS; i++)
        if (!map_view(board, (enum scoreboard_region)i, ACCESS[role][i]))
            return false;
    log_follow(&board->orders->log_level);
    if (board->rates.words != NULL)
        board->rates = table_at(board->rates.words, bytes_of(board, REGION_RATES));
    if (board->reputations.words != NULL)
        board->reputations = table_at(board->reputations.words, bytes_of(board, REGION_REPUTATIONS));
    return true;
}

static void close_regions(struct scoreboard *board)
{
    for (int i = 0; i < REGIONS; i++)
        region_close(&board->regions[i]);
}

static bool create_regions(struct scoreboard *board)
{
    for (int i = 0; i < REGIONS; i++)
        if (!region_create(&board->regions[i], NAMES[i], bytes_of(board, (enum scoreboard_region)i)))
            return false;
    return true;
}

/* Seen for a moment, so that no child of the master inherits them mapped. */
static bool make_first_keys(struct scoreboard *board)
{
    bool made = map_view(board, REGION_KEYS, WRITE) && ticket_keys_rotate(board->keys);
    unmap_view(board, REGION_KEYS);
    return made;
}

/* A kernel that digs no hole now does so some other time; a master that ended for it would be worse than a page. */
static bool clear_page(const struct scoreboard *board, int slot)
{
    static const char zeroes[SLOT_BYTES];
    int fd = board->regions[REGION_SLOTS].fd;
    off_t at = (off_t)slot_offset(slot);
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, SLOT_BYTES) == 0 ||
           pwrite(fd, zeroes, SLOT_BYTES, at) == SLOT_BYTES;
}

static bool is_sane(const struct scoreboard_size *size)
{
    return size->slots >= 1 && size->slots <= SCOREBOARD_SLOTS_MAX && size->rates >= 1 &&
           size->rates <= SCOREBOARD_ENTRIES_MAX && size->reputations >= 1 &&
           size->reputations <= SCOREBOARD_ENTRIES_MAX;
}

bool scoreboard_create(struct scoreboard *board, const struct scoreboard_size *size)
{
    *board = (struct scoreboard){.slot_count = size->slots, .size = *size};
    for (int i = 0; i < REGIONS; i++)
        board->regions[i] = REGION_NONE;
    if (!is_sane(size)) {
        errno = EINVAL;
        return false;
    }
    if (getrandom(board->hash_key, sizeof(board->hash_key), 0) != sizeof(board->hash_key))
        return false;
    /* Cleared once for trial: where that is not possible the start fails, not a worker's end. */
    if (create_regions(board) && make_first_keys(board) && map_views(board, ROLE_MASTER) && clear_page(board, 0))
        return true;
    int error = errno;
    scoreboard_destroy(board);
    errno = error;
    return false;
}

int64_t scoreboard_layout(void)
{
    return SCOREBOARD_LAYOUT * INT64_C(1000000) + (int64_t)sizeof(struct slot);
}

const char *scoreboard_region_name(enum scoreboard_region region)
{
    return NAMES[region];
}

static bool is_of_its_size(const struct region *region, size_t size)
{
    struct stat is;
    return region->readonly_fd >= 0 && region->size == size && fstat(region->fd, &is) == 0 &&
           (uint64_t)is.st_size == size;
}

/* False with errno, and nothing is left that was made. */
static bool make_unknown(struct scoreboard *board, const struct region given[REGIONS])
{
    bool made = true;
    for (int i = 0; made && i < REGIONS; i++)
        if (given[i].fd < 0)
            made = region_create(&board->regions[i], NAMES[i], bytes_of(board, (enum scoreboard_region)i)) &&
                   (i != REGION_KEYS || make_first_keys(board));
    return made && map_views(board, ROLE_MASTER);
}

static void forget_given(struct scoreboard *board, const struct region given[REGIONS])
{
    for (int i = 0; i < REGIONS; i++)
        if (given[i].fd >= 0)
            board->regions[i] = REGION_NONE;
}

bool scoreboard_adopt(struct scoreboard *board, const struct scoreboard_size *size,
                      const uint8_t hash_key[SIPHASH_KEY_BYTES], const struct region regions[REGIONS])
{
    *board = (struct scoreboard){.slot_count = size->slots, .size = *size};
    memcpy(board->hash_key, hash_key, sizeof(board->hash_key));
    memcpy(board->regions, regions, sizeof(board->regions));
    errno = EPROTO;
    bool fits = is_sane(size);
    for (int i = 0; fits && i < REGIONS; i++)
        fits = regions[i].fd < 0 || is_of_its_size(&regions[i], bytes_of(board, (enum scoreboard_region)i));
    if (fits && make_unknown(board, regions))
        return true;
    int error = errno;
    forget_given(board, regions);
    scoreboard_destroy(board);
    *board = (struct scoreboard){0};
    errno = error;
    return false;
}

void scoreboard_destroy(struct scoreboard *board)
{
    if (board->slot_count == 0)
        return; /* zero: never created */
    for (int i = 0; i < REGIONS; i++)
        unmap_view(board, (enum scoreboard_region)i);
    if (board->own != NULL)
        munmap(board->own, SLOT_BYTES);
    board->own = NULL;
    close_regions(board);
}

static void must_be_slot(const struct scoreboard *board, int slot)
{
    must(slot >= 0 && slot < board->slot_count);
}

static _Atomic uint32_t *seat_of(const struct scoreboard *board, int column, int slot)
{
    must(column >= 0 && column < SCOREBOARD_SEATS_MAX);
    return &board->seats[(size_t)column * (size_t)board->slot_count + (size_t)slot];
}

/* Only what is not clear: most columns are never used, and stay without memory. */
static void clear_seats(struct scoreboard *board, int slot)
{
    for (int column = 0; column < SCOREBOARD_SEATS_MAX; column++) {
        _Atomic uint32_t *seat = seat_of(board, column, slot);
        if (atomic_load_explicit(seat, memory_order_relaxed) != 0)
            atomic_store_explicit(seat, 0, memory_order_relaxed);
    }
}

/* A hole instead of zeroes: it costs no memory, so it cannot fail for lack of any, and the master keeps no view of the
 * pages that it could write by mistake. */
void scoreboard_clear_slot(struct scoreboard *board, int slot)
{
    must_be_slot(board, slot);
    must(clear_page(board, slot));
    clear_seats(board, slot);
    scoreboard_leave_berth(board, slot);
    scoreboard_set_tag(board, slot, TAG_NONE);
}

void scoreboard_set_tag(struct scoreboard *board, int slot, uint32_t tag)
{
    must_be_slot(board, slot);
    atomic_store_explicit(&board->tags[slot], tag, memory_order_release);
}

int scoreboard_descriptors(const struct scoreboard *board, enum scoreboard_role role, int fds_out[REGIONS])
{
    int count = 0;
    for (int i = 0; i < REGIONS; i++) {
        enum access access = ACCESS[role][i];
        if (access != NONE)
            fds_out[count++] = access == READ ? board->regions[i].readonly_fd : board->regions[i].fd;
    }
    return count;
}

void scoreboard_hide(struct scoreboard *board)
{
    board->hidden_by = getpid();
    for (int i = 0; i < REGIONS; i++) {
        void *view = *view_of(board, (enum scoreboard_region)i);
        if (view != NULL && is_hidden(board, (enum scoreboard_region)i))
            madvise(view, bytes_of(board, (enum scoreboard_region)i), MADV_DONTFORK);
    }
}

static bool enter(struct scoreboard *board, enum scoreboard_role role, int slot)
{
    for (int i = 0; i < REGIONS; i++)
        unmap_view(board, (enum scoreboard_region)i);
    bool entered = map_views(board, role);
    if (entered && role == ROLE_WORKER) {
        board->own = region_map_part(&board->regions[REGION_SLOTS], slot_offset(slot), SLOT_BYTES);
        board->own_slot = slot;
        entered = board->own != NULL;
    }
    int error = errno;
    close_regions(board);
    errno = error;
    return entered;
}

bool scoreboard_enter(struct scoreboard *board, int slot)
{
    must_be_slot(board, slot);
    must(board->own == NULL);
    return enter(board, ROLE_WORKER, slot);
}

bool scoreboard_enter_as(struct scoreboard *board, enum scoreboard_role role)
{
    must(role == ROLE_HOUSEKEEPER || role == ROLE_STOREKEEPER || role == ROLE_READER);
    return enter(board, role, 0);
}

bool scoreboard_take_scratch(struct scoreboard *board)
{
    must(board->own == NULL);
    void *page = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    board->own = page != MAP_FAILED ? page : NULL;
    return board->own != NULL;
}

/* Word by word, since workers read and write meanwhile. The housekeeper's next probe fills health anew. */
void scoreboard_forget_server(struct scoreboard *board, int server)
{
    must(server >= 0 && server < SCOREBOARD_SERVERS_MAX);
    atomic_store(&board->heard[server].lately.keywords, 0);
    atomic_store(&board->heard[server].before.keywords, 0);
    atomic_store(&board->heard[server].distrust_until_ms, 0);
}

void scoreboard_forget_servers(struct scoreboard *board)
{
    for (int i = 0; i < SCOREBOARD_SERVERS_MAX; i++)
        scoreboard_forget_server(board, i);
}

/* Beyond the last slot that was ever used there is nobody. */
static int end_of(const struct scoreboard *board, int first, int count)
{
    must(first >= 0 && count >= 0 && count <= board->slot_count - first);
    int end = first + count;
    int used = board->orders != NULL ? orders_slots_end(board->orders, board->slot_count) : end;
    return used < end ? used : end;
}

struct tag_count scoreboard_count(const struct scoreboard *board, int first, int count)
{
    struct tag_count found = {0};
    for (int i = first, end = end_of(board, first, count); i < end; i++) {
        uint32_t tag = atomic_load_explicit(&board->tags[i], memory_order_relaxed);
        found.idle += tag == TAG_IDLE;
        found.starting += tag == TAG_STARTING;
        found.alive += tag != TAG_NONE && tag != TAG_LEAVING;
        found.held += (tag & TAG_HELD) != 0;
    }
    return found;
}

/* From behind: who was made last is idle most likely. */
bool scoreboard_has_spare(const struct scoreboard *board, int first, int count, int wanted)
{
    for (int i = end_of(board, first, count) - 1; i >= first && wanted > 0; i--) {
        uint32_t tag = atomic_load_explicit(&board->tags[i], memory_order_relaxed);
        wanted -= tag == TAG_IDLE || tag == TAG_STARTING;
    }
    return wanted <= 0;
}

/* -- seats */

/* Seen before what is counted after it: of two who enter at once at least one sees both. */
void scoreboard_take_seat(struct scoreboard *board, int column, uint32_t whom)
{
    atomic_store(seat_of(board, column, board->own_slot), whom);
}

int scoreboard_count_seats(const struct scoreboard *board, int column, uint32_t whom)
{
    atomic_thread_fence(memory_order_seq_cst);
    return seats_count(seat_of(board, column, 0), orders_slots_end(board->orders, board->slot_count), whom);
}

void scoreboard_leave_seats(struct scoreboard *board)
{
    clear_seats(board, board->own_slot);
    scoreboard_leave_berth(board, board->own_slot);
}

/* -- entries */

uint64_t scoreboard_hash(const struct scoreboard *board, struct slice name, struct slice key)
{
    char text[HASHED_MAX];
    struct buffer both;
    buffer_init(&both, text, sizeof(text));
    buffer_put(&both, name);
    buffer_put_char(&both, '\0');
    buffer_put(&both, key);
    return siphash(board->hash_key, text, both.end);
}

struct region_cost scoreboard_cost(const struct scoreboard *board, enum scoreboard_region region)
{
    struct region_cost cost = {.name = NAMES[region], .bytes = bytes_of(board, region)};
    unsigned char *at = *view_of((struct scoreboard *)(uintptr_t)board, region);
    size_t pages = (cost.bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    cost.page_table_bytes = (pages + PAGE_BYTES / sizeof(uint64_t) - 1) / (PAGE_BYTES / sizeof(uint64_t)) * PAGE_BYTES;
    for (size_t i = 0; at != NULL && i < pages; i += REGION_LOOK_MAX) {
        unsigned char there[REGION_LOOK_MAX];
        size_t count = pages - i < REGION_LOOK_MAX ? pages - i : REGION_LOOK_MAX;
        region_look(at + i * PAGE_BYTES, count, there);
        for (size_t page = 0; page < count; page++)
            cost.resident_bytes += there[page] * (uint64_t)PAGE_BYTES;
    }
    return cost;
}
