/* SPDX-License-Identifier: ISC
 *
 * access - what lists of a million entries cost: `bench-access`. Figures as measured, beside what they are to stay
 * below; the status is 0 whatever they are.
 *
 * Times are of this processor alone, whatever else runs. Loading is all of it: lines read, entries parsed, sorted,
 * compiled into shared memory. A look is one that misses the
 * caches of a core mostly, since clients are drawn at random: half of them are in the list. Memory is what the process
 * has more of behind it than before: of its own, which is to be nothing, and shared.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/listfile.h"
#include "common/nameset.h"
#include "common/netset.h"

enum { ENTRIES = 1000000, RUNS = 5, LOOKS = 1000000, LINE_ROOM = 64, LOAD_BOUND_MS = 1000, LOOK_BOUND_NS = 1000 };

static char *text;
static size_t text_size;
static char (*asked)[LINE_ROOM]; /* what is looked for */
static uint64_t found;           /* so that no look is left out */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t draw(void)
{
    static uint64_t state = 88172645463325252u; /* xorshift */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void *memory_of(size_t bytes)
{
    void *at = malloc(bytes);
    if (at == NULL)
        abort();
    return at;
}

/* -- what is in the lists: an address in six is a network -- */

static int draw_ipv4(char *to, bool is_listed)
{
    uint32_t address = (uint32_t)draw();
    bool is_network = is_listed && draw() % 6 == 0;
    unsigned prefix = 18 + (unsigned)(draw() % 14);
    if (is_network)
        address &= ~(UINT32_MAX >> prefix);
    int size =
        snprintf(to, LINE_ROOM, "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
    return is_network ? size + snprintf(to + size, LINE_ROOM - (size_t)size, "/%u", prefix) : size;
}

static int draw_ipv6(char *to, bool is_listed)
{
    unsigned a = 0x2000 + (unsigned)(draw() % 0xc00), b = (unsigned)(draw() & 0xffff), c = (unsigned)(draw() & 0xffff);
    const char *ending = is_listed ? (draw() % 2 == 0 ? ":/64" : ":/48") : ":25";
    return snprintf(to, LINE_ROOM, "%x:%x:%x:%s", a, b, ending[2] == '4' ? c & 0xfff : c, ending);
}

static int draw_name(char *to, bool is_listed)
{
    static const char *const above[] = {"com", "net", "org", "example", "de"};
    unsigned long long name = (unsigned long long)draw() % 100000000000u;
    (void)is_listed;
    return snprintf(to, LINE_ROOM, "n%llu.domain.%s", name, above[draw() % 5]);
}

typedef int draw_entry(char *to, bool is_listed);

static void draw_list(draw_entry *entry)
{
    char *to = text;
    for (int i = 0; i < ENTRIES; i++) {
        int size = entry(to, true);
        memcpy(asked[i], to, (size_t)size + 1);
        if (strchr(to, '/') != NULL)
            *strchr(asked[i], '/') = '\0';
        to += size;
        *to++ = '\n';
    }
    text_size = (size_t)(to - text);
    for (int i = 0; i < ENTRIES; i += 2)
        entry(asked[draw() % ENTRIES], false);
}

/* -- loading -- */

static void load_networks(struct netset *set)
{
    struct listfile_lines lines = {.rest = slice_make(text, text_size)};
    struct listfile_item item;
    struct netset_draft draft = {.ipv4 = {0}};
    struct network network;
    while (listfile_next(&lines, &item))
        if (!network_parse(item.word, &network) || !netset_add(&draft, &network, lines.number))
            abort();
    if (!netset_compile(&draft, set))
        abort();
}

static void load_names(struct nameset *set)
{
    struct listfile_lines lines = {.rest = slice_make(text, text_size)};
    struct listfile_item item;
    struct nameset_draft draft = {.count = 0};
    while (listfile_next(&lines, &item))
        if (!nameset_add(&draft, item.word, lines.number))
            abort();
    if (!nameset_compile(&draft, set))
        abort();
}

static long own_kib(void)
{
    static const char what[] = "RssAnon:";
    char line[128];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, what, sizeof(what) - 1) == 0)
            kib = strtol(line + sizeof(what) - 1, NULL, 10);
    if (status != NULL)
        fclose(status);
    return kib;
}

struct load {
    uint64_t ns;
    long own_kib, shared_kib;
};

static void keep_best(struct load *best, const struct load *one)
{
    if (best->ns == 0 || one->ns < best->ns)
        *best = *one;
}

static struct load measure_load(struct netset *networks, struct nameset *names)
{
    struct load best = {0};
    for (int run = 0; run < RUNS; run++) {
        netset_clear(networks);
        nameset_clear(names);
        malloc_trim(0);
        long own = own_kib();
        uint64_t begin = now_ns();
        if (text[0] == 'n')
            load_names(names);
        else
            load_networks(networks);
        struct load one = {.ns = now_ns() - begin};
        malloc_trim(0);
        one.own_kib = own_kib() - own;
        one.shared_kib = (long)((networks->size + names->size) / 1024);
        keep_best(&best, &one);
    }
    return best;
}

/* -- looking -- */

static uint64_t measure_looks(const struct netset *networks, const struct nameset *names)
{
    struct ipaddr *addresses = memory_of(ENTRIES * sizeof(*addresses));
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < ENTRIES && names->memory == NULL; i++)
        if (!ipaddr_parse(slice_of(asked[i]), &addresses[i]))
            abort();
    for (int run = 0; run < RUNS; run++) {
        uint64_t begin = now_ns();
        for (int i = 0; i < LOOKS; i++) {
            size_t whom = (size_t)(i * 7919ll % ENTRIES);
            found += names->memory == NULL ? netset_find(networks, &addresses[whom]) != NETSET_NONE
                                           : nameset_find_domain(names, slice_of(asked[whom])) != NAMESET_NONE;
        }
        uint64_t took = now_ns() - begin;
        best = took < best ? took : best;
    }
    free(addresses);
    return best / LOOKS;
}

static void measure(const char *what, draw_entry *entry)
{
    struct netset networks = {0};
    struct nameset names = {0};
    draw_list(entry);
    found = 0;
    struct load load = measure_load(&networks, &names);
    uint64_t look_ns = measure_looks(&networks, &names);
    printf("%-14s %6.0f ms of %d   %6llu ns a look of %d   %6ld KiB shared, %ld KiB of its own   %4.1f %% found\n",
           what, (double)load.ns / 1e6, LOAD_BOUND_MS, (unsigned long long)look_ns, LOOK_BOUND_NS, load.shared_kib,
           load.own_kib, (double)found * 100 / LOOKS / RUNS);
    netset_clear(&networks);
    nameset_clear(&names);
}

int main(void)
{
    text = memory_of((size_t)ENTRIES * LINE_ROOM);
    asked = memory_of((size_t)ENTRIES * LINE_ROOM);
    printf("lists of %d entries, best of %d runs\n", ENTRIES, RUNS);
    measure("IPv4 networks", draw_ipv4);
    measure("IPv6 networks", draw_ipv6);
    measure("names", draw_name);
    free(text);
    free(asked);
    return 0;
}
