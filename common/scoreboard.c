/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/must.h"
#include "common/scoreboard.h"

enum { READ_TRIES = 64, FD_PATH_MAX = 40 };

_Static_assert(sizeof(struct slot) <= SLOT_BYTES, "a slot is a page");
_Static_assert(sizeof(struct slot_facts) % sizeof(uint64_t) == 0, "facts are copied by words");
_Static_assert(offsetof(struct slot, facts) % sizeof(uint64_t) == 0, "facts are copied by words");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "no lock that a dying worker could hold");

static size_t tags_bytes(const struct scoreboard *board)
{
    return (size_t)board->slot_count * sizeof(uint32_t);
}

static size_t slots_bytes(const struct scoreboard *board)
{
    return (size_t)board->slot_count * SLOT_BYTES;
}

static size_t heard_bytes(void)
{
    return SCOREBOARD_SERVERS_MAX * sizeof(struct heard);
}

static off_t slot_offset(int slot)
{
    return (off_t)slot * SLOT_BYTES;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void unmap(void *at, size_t size)
{
    if (at != NULL)
        munmap(at, size);
}

/* Sealed, or a worker could truncate it and let the master die of SIGBUS. */
static int create_region(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int reopen_readonly(int fd)
{
    char path[FD_PATH_MAX];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void *map(int fd, size_t size, int protection, off_t offset)
{
    void *at = mmap(NULL, size, protection, MAP_SHARED, fd, offset);
    return at == MAP_FAILED ? NULL : at;
}

static bool create_regions(struct scoreboard *board)
{
    board->tags_fd = create_region("postern-tags", tags_bytes(board));
    board->slots_fd = create_region("postern-slots", slots_bytes(board));
    board->heard_fd = create_region("postern-heard", heard_bytes());
    if (board->tags_fd < 0 || board->slots_fd < 0 || board->heard_fd < 0)
        return false;
    board->slots_readonly_fd = reopen_readonly(board->slots_fd);
    return board->slots_readonly_fd >= 0;
}

/* The pages through the read-only descriptor: no mprotect makes them writable, in whatever process this view is. */
static bool map_regions(struct scoreboard *board)
{
    board->tags = map(board->tags_fd, tags_bytes(board), PROT_READ | PROT_WRITE, 0);
    board->heard = map(board->heard_fd, heard_bytes(), PROT_READ | PROT_WRITE, 0);
    board->slots = map(board->slots_readonly_fd, slots_bytes(board), PROT_READ, 0);
    return board->tags != NULL && board->heard != NULL && board->slots != NULL;
}

static bool clear_page(const struct scoreboard *board, int slot)
{
    return fallocate(board->slots_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, slot_offset(slot), SLOT_BYTES) == 0;
}

bool scoreboard_create(struct scoreboard *board, int slot_count)
{
    *board = (struct scoreboard){
        .slot_count = slot_count, .tags_fd = -1, .slots_fd = -1, .slots_readonly_fd = -1, .heard_fd = -1};
    if (slot_count < 1 || slot_count > SCOREBOARD_SLOTS_MAX) {
        errno = EINVAL;
        return false;
    }
    /* Cleared once for trial: where that is not possible the start fails, not a worker's end. */
    if (create_regions(board) && map_regions(board) && clear_page(board, 0))
        return true;
    int error = errno;
    scoreboard_destroy(board);
    errno = error;
    return false;
}

static void close_descriptors(struct scoreboard *board)
{
    close_fd(&board->tags_fd);
    close_fd(&board->slots_fd);
    close_fd(&board->slots_readonly_fd);
    close_fd(&board->heard_fd);
}

static void unmap_slots(struct scoreboard *board)
{
    unmap(board->slots, slots_bytes(board));
    board->slots = NULL;
}

void scoreboard_destroy(struct scoreboard *board)
{
    if (board->slot_count == 0)
        return; /* zero: never created */
    unmap((void *)board->tags, tags_bytes(board));
    unmap(board->heard, heard_bytes());
    unmap(board->own, SLOT_BYTES);
    unmap_slots(board);
    board->tags = NULL;
    board->heard = NULL;
    board->own = NULL;
    close_descriptors(board);
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

bool scoreboard_enter(struct scoreboard *board, int slot)
{
    must_be_slot(board, slot);
    must(board->own == NULL);
    board->own = map(board->slots_fd, SLOT_BYTES, PROT_READ | PROT_WRITE, slot_offset(slot));
    int error = errno;
    unmap_slots(board);
    close_descriptors(board);
    errno = error;
    return board->own != NULL;
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
