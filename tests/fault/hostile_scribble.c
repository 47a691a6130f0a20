/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/scoreboard.h"
#include "tests/fault/hostile.h"

/* Where a region is large, its beginning, which is what is looked at most, and a window somewhere: every round; all of
 * it now and then. */
enum {
    PLACES_MAX = 64,
    PAGE = 4096,
    WINDOW = 4 * PAGE,
    WHOLE_ONE_IN = 16,
    WHOLE_MAX = 4 << 20,
    SLOTS_LOOKED_AT = 32,
    LINE_MAX_OCTETS = 512
};

struct place {
    unsigned char *at;
    size_t size;
};

static struct place places[PLACES_MAX];
static int place_count;

enum pattern { ZEROS, ONES, NOISE, SMALL, TRUE_ONCE, PATTERNS };

static void fill(struct hostile *h, uint64_t *words, size_t count, enum pattern pattern)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t noise = hostile_noise(h);
        switch (pattern) {
        case ZEROS:
            words[i] = 0;
            break;
        case ONES:
            words[i] = UINT64_MAX;
            break;
        case NOISE:
            words[i] = noise;
            break;
        case SMALL: /* what tags, states and counts look like */
            words[i] = (noise & 31) | (noise >> 8 & 31) << 32;
            break;
        case TRUE_ONCE: /* one bit of what was there is another */
        case PATTERNS:
            words[i] ^= UINT64_C(1) << (noise & 63);
            break;
        }
    }
    atomic_fetch_add(&h->tally->octets, count * sizeof(*words));
}

static void fill_part(struct hostile *h, const struct place *place, size_t from, size_t size)
{
    enum pattern pattern = (enum pattern)hostile_random(h, PATTERNS);
    fill(h, (uint64_t *)(void *)(place->at + from), size / sizeof(uint64_t), pattern);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void scribble_over(struct hostile *h, const struct place *place)
{
    size_t window = smaller(place->size, WINDOW);
    if (place->size <= WINDOW || (place->size <= WHOLE_MAX && hostile_random(h, WHOLE_ONE_IN) == 0)) {
        fill_part(h, place, 0, place->size);
        return;
    }
    fill_part(h, place, 0, window);
    fill_part(h, place, hostile_random(h, (place->size - window) / PAGE + 1) * PAGE, window);
}

/* -- what is there to scribble over */

static void add(unsigned char *at, size_t size)
{
    if (place_count < PLACES_MAX)
        places[place_count++] = (struct place){at, size};
}

/* Its own page, grown over the pages behind it, and then moved to the first of all: from there on it reaches them all.
 */
static void reach_neighbours(struct hostile *h, unsigned char *page)
{
    size_t size = (size_t)(h->slot_count - h->slot) * SLOT_BYTES;
    void *grown = mremap(page, SLOT_BYTES, size, MREMAP_MAYMOVE);
    if (grown == MAP_FAILED)
        return add(page, SLOT_BYTES);
    if (remap_file_pages(grown, size, 0, 0, 0) != 0)
        fprintf(stderr, "hostile: pages before its own are out of reach\n");
    add(grown, size);
}

/* A line of /proc/self/maps that is a region's. What was mapped for reading must stay so. */
static void take_line(struct hostile *h, const char *line)
{
    uint64_t from, to;
    char rights[8];
    if (strstr(line, "memfd:postern-") == NULL || sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, rights) != 3)
        return;
    unsigned char *at = (unsigned char *)(uintptr_t)from; /* NOLINT: an address, in words */
    size_t size = (size_t)(to - from);
    if (rights[1] != 'w') {
        if (mprotect(at, size, PROT_READ | PROT_WRITE) != 0)
            return;
        atomic_fetch_add(&h->tally->breaches, 1);
    }
    if (strstr(line, "postern-slots") != NULL)
        reach_neighbours(h, at);
    else
        add(at, size);
}

void scribble_prepare(struct hostile *h)
{
    static char lines[PLACES_MAX][LINE_MAX_OCTETS]; /* all of them first: they change with what is done */
    char line[LINE_MAX_OCTETS];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return;
    while (count < PLACES_MAX && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, "memfd:postern-") != NULL)
            memcpy(lines[count++], line, sizeof(line));
    fclose(maps);
    for (int i = 0; i < count; i++)
        take_line(h, lines[i]);
}

void scribble_round(struct hostile *h)
{
    for (int i = 0; i < place_count; i++)
        scribble_over(h, &places[i]);
    if (hostile_random(h, 8) == 0)
        scribble_lie(h);
}

/* -- what looks true */

static struct slot *own_slot(const struct hostile *h)
{
    for (int i = 0; i < place_count; i++)
        if (places[i].size == (size_t)(h->slot_count - h->slot) * SLOT_BYTES)
            return (struct slot *)(void *)(places[i].at + (size_t)h->slot * SLOT_BYTES);
    return NULL;
}

void scribble_lie(struct hostile *h)
{
    struct slot *slot = own_slot(h);
    bool reachable = (size_t)h->slot < (size_t)(h->slot_count - h->slot); /* not behind the mapping's end */
    if (slot == NULL || !reachable)
        return;
    struct slot_facts *facts = &slot->facts;
    atomic_store(&slot->sequence, 2);
    *facts = (struct slot_facts){.state = SLOT_BUSY, .sessions = UINT64_MAX, .messages = UINT64_MAX};
    facts->worker_since_ms = facts->session_since_ms = clock_ms();
    facts->client.family = 4;
    session_id_print((uint64_t)clock_wall_us(), (int)hostile_random(h, SLOTS_LOOKED_AT), facts->session_id);
}
