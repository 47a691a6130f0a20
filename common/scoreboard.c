/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/must.h"
#include "common/phase.h"
#include "common/scoreboard.h"

enum { READ_TRIES = 64 };

_Static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot is a page");
_Static_assert(sizeof(struct slot_facts) % sizeof(uint64_t) == 0, "facts are copied by words");
_Static_assert(offsetof(struct slot, facts) % sizeof(uint64_t) == 0, "facts are copied by words");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "no lock that a dying worker could hold");

enum access { NONE, READ, WRITE, OWN_PAGE };

/* The one place where it is said who may do what. */
static const enum access ACCESS[ROLES][REGIONS] = {
    [ROLE_MASTER] = {[REGION_TAGS] = WRITE,
                     [REGION_SLOTS] = READ,
                     [REGION_HEARD] = WRITE,
                     [REGION_HEALTH] = READ,
                     [REGION_KEYS] = NONE,
                     [REGION_ORDERS] = WRITE},
    [ROLE_WORKER] = {[REGION_TAGS] = WRITE,
                     [REGION_SLOTS] = OWN_PAGE,
                     [REGION_HEARD] = WRITE,
                     [REGION_HEALTH] = READ,
                     [REGION_KEYS] = READ,
                     [REGION_ORDERS] = READ},
    [ROLE_HOUSEKEEPER] = {[REGION_TAGS] = NONE,
                          [REGION_SLOTS] = NONE,
                          [REGION_HEARD] = WRITE,
                          [REGION_HEALTH] = WRITE,
                          [REGION_KEYS] = WRITE,
                          [REGION_ORDERS] = READ},
    [ROLE_READER] = {[REGION_TAGS] = READ,
                     [REGION_SLOTS] = READ,
                     [REGION_HEARD] = READ,
                     [REGION_HEALTH] = READ,
                     [REGION_KEYS] = NONE,
                     [REGION_ORDERS] = READ},
};

static const char *const NAMES[REGIONS] = {
    [REGION_TAGS] = "postern-tags",     [REGION_SLOTS] = "postern-slots", [REGION_HEARD] = "postern-heard",
    [REGION_HEALTH] = "postern-health", [REGION_KEYS] = "postern-keys",   [REGION_ORDERS] = "postern-orders",
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
    case REGION_KEYS:
        return sizeof(struct ticket_keys);
    case REGION_ORDERS:
        return orders_bytes(board->slot_count);
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
        [REGION_TAGS] = (void **)&board->tags,   [REGION_SLOTS] = (void **)&board->slots,
        [REGION_HEARD] = (void **)&board->heard, [REGION_HEALTH] = (void **)&board->health,
        [REGION_KEYS] = (void **)&board->keys,   [REGION_ORDERS] = (void **)&board->orders,
    };
    return views[region];
}

static void unmap_view(struct scoreboard *board, enum scoreboard_region region)
{
    void **view = view_of(board, region);
    if (region == REGION_ORDERS)
        log_follow(NULL);
    if (*view != NULL)
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

bool scoreboard_create(struct scoreboard *board, int slot_count)
{
    *board = (struct scoreboard){.slot_count = slot_count};
    for (int i = 0; i < REGIONS; i++)
        board->regions[i] = REGION_NONE;
    if (slot_count < 1 || slot_count > SCOREBOARD_SLOTS_MAX) {
        errno = EINVAL;
        return false;
    }
    /* Cleared once for trial: where that is not possible the start fails, not a worker's end. */
    if (create_regions(board) && make_first_keys(board) && map_views(board, ROLE_MASTER) && clear_page(board, 0))
        return true;
    int error = errno;
    scoreboard_destroy(board);
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

/* A hole instead of zeroes: it costs no memory, so it cannot fail for lack of any, and the master keeps no view of the
 * pages that it could write by mistake. */
void scoreboard_clear_slot(struct scoreboard *board, int slot)
{
    must_be_slot(board, slot);
    must(clear_page(board, slot));
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

static bool enter(struct scoreboard *board, enum scoreboard_role role, int slot)
{
    for (int i = 0; i < REGIONS; i++)
        unmap_view(board, (enum scoreboard_region)i);
    bool entered = map_views(board, role);
    if (entered && role == ROLE_WORKER) {
        board->own = region_map_part(&board->regions[REGION_SLOTS], slot_offset(slot), SLOT_BYTES);
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
    must(role == ROLE_HOUSEKEEPER || role == ROLE_READER);
    return enter(board, role, 0);
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

struct tag_count scoreboard_count(const struct scoreboard *board, int first, int count)
{
    must(first >= 0 && count >= 0 && count <= board->slot_count - first);
    struct tag_count found = {0};
    for (int i = first; i < first + count; i++) {
        uint32_t tag = atomic_load_explicit(&board->tags[i], memory_order_relaxed);
        found.idle += tag == TAG_IDLE;
        found.starting += tag == TAG_STARTING;
        found.alive += tag != TAG_NONE;
    }
    return found;
}

bool scoreboard_has_spare(const struct scoreboard *board, int first, int count, int wanted)
{
    must(first >= 0 && count >= 0 && count <= board->slot_count - first);
    for (int i = first; i < first + count && wanted > 0; i++) {
        uint32_t tag = atomic_load_explicit(&board->tags[i], memory_order_relaxed);
        wanted -= tag == TAG_IDLE || tag == TAG_STARTING;
    }
    return wanted <= 0;
}

/* -- the sequence lock: odd while facts change */

struct slot_facts *slot_begin(struct scoreboard *board)
{
    must(board->own != NULL);
    uint32_t sequence = atomic_load_explicit(&board->own->sequence, memory_order_relaxed);
    atomic_store_explicit(&board->own->sequence, sequence | 1u, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    return &board->own->facts;
}

void slot_end(struct scoreboard *board)
{
    must(board->own != NULL);
    uint32_t sequence = atomic_load_explicit(&board->own->sequence, memory_order_relaxed);
    atomic_store_explicit(&board->own->sequence, (sequence | 1u) + 1u, memory_order_release);
}

/* Each word once, atomically: what was checked is what is used, however the worker writes meanwhile. */
static void copy_words(struct slot_facts *to, const struct slot_facts *from)
{
    const uint64_t *source = (const uint64_t *)(const void *)from;
    uint64_t words[sizeof(*to) / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
    memcpy(to, words, sizeof(words));
}

/* A rumour becomes something that can be shown: numbers in their range, text that is printable and ends. */
static void clamp_facts(struct slot_facts *facts)
{
    if (facts->state >= SLOT_STATES)
        facts->state = SLOT_EMPTY;
    if (facts->phase >= PHASES)
        facts->phase = PHASE_GREETING;
    facts->tls = facts->tls != 0;
    if (facts->client.family != 4 && facts->client.family != 6)
        facts->client = (struct ipaddr){0};
    facts->session_id[SLOT_SESSION_ID_MAX - 1] = '\0';
    for (char *c = facts->session_id; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
}

bool slot_read(const struct scoreboard *board, int slot, struct slot_facts *out)
{
    must_be_slot(board, slot);
    must(board->slots != NULL);
    const struct slot *from = (const struct slot *)(const void *)(board->slots + slot_offset(slot));
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&from->sequence, memory_order_acquire);
        copy_words(out, &from->facts);
        atomic_thread_fence(memory_order_acquire);
        uint32_t after = atomic_load_explicit(&from->sequence, memory_order_relaxed);
        if (before == after && before % 2 == 0) {
            clamp_facts(out);
            return true;
        }
    }
    *out = (struct slot_facts){0};
    return false;
}
