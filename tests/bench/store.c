/* SPDX-License-Identifier: ISC
 *
 * store - what a memory of millions of records costs: `bench-store [records [size in MiB]]`. Figures as measured,
 * beside what they are to stay below; the status is 0 whatever they are.
 *
 * Records are the greylist's, with keys of some 70 octets in no order, written as the storekeeper writes them: 4,096 a
 * commit, sorted, synced. Then the file is opened with nothing of it in memory, and cleaned of the tenth of them that
 * is over, while another thread asks for records at random without a pause; then once more, of another tenth, when the
 * file is in memory. The longest wait for an answer counts, of the wall clock, so what else runs on the machine counts,
 * too.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workers/storekeeper/pending.h"
#include "workers/storekeeper/purge.h"

enum {
    RECORDS = 5000000,
    SIZE_MIB = 1024,
    A_COMMIT = 4096,
    NOW = 1700000000,
    LATER = NOW + 1,
    OVER_EACH = 10,
    NAME_ROOM = 128
};
enum { OPEN_BOUND_MS = 2000, FIND_BOUND_MS = 50 };

static char directory[64], file[96];

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static _Noreturn void give_up(const char *what, int result, const char *why)
{
    printf("%s: %d, %s\n", what, result, why != NULL ? why : "");
    exit(1);
}

/* The same for the same number (splitmix64). */
static uint64_t scatter(uint64_t number)
{
    number = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

static struct slice name_of(char text[NAME_ROOM], uint64_t number)
{
    uint64_t a = scatter(number), b = scatter(a);
    int size = snprintf(text, NAME_ROOM, "g %u.%u.%u.0/24 some.sender%u@example%u.org recipient%u@example.com",
                        (unsigned)(a & 255), (unsigned)(a >> 8 & 255), (unsigned)(a >> 16 & 255),
                        (unsigned)(b & 0xfffff), (unsigned)(b >> 20 & 0xfff), (unsigned)(b >> 32 & 0xffff));
    return slice_make(text, (size_t)size);
}

static struct shelf *open_shelf(uint64_t bytes_max)
{
    struct shelf *shelf;
    const char *why = NULL;
    enum shelf_result result = shelf_open(&shelf, directory, bytes_max, &why);
    if (result != SHELF_DONE)
        give_up("open", (int)result, why);
    return shelf;
}

/* -- filling */

static uint64_t key_bytes;

static void gather(struct pending *pending, uint64_t from, uint64_t to)
{
    for (; from < to; from++) {
        char text[NAME_ROOM];
        struct slice name = name_of(text, from);
        bool is_over = from % OVER_EACH == 0, is_soon = from % OVER_EACH == 1;
        struct store_record record = {NOW - 1000, NOW - 1000, is_over ? NOW : is_soon ? LATER : LATER + 1, 1, {0}};
        key_bytes += name.size;
        if (!pending_put(pending, name, &record))
            give_up("pending", 0, "full");
    }
}

/* How many were written: all, or as many as there was room for. */
static uint64_t fill(struct shelf *shelf, uint64_t count)
{
    struct pending *pending = pending_new();
    double began = now_ms(), longest = 0;
    uint64_t done = 0;
    while (done < count) {
        uint64_t next = done + A_COMMIT < count ? done + A_COMMIT : count;
        size_t changes;
        const char *why = NULL;
        pending_clear(pending);
        gather(pending, done, next);
        const struct shelf_change *sorted = pending_sorted(pending, &changes);
        double before = now_ms();
        enum shelf_result result = shelf_write(shelf, sorted, changes, &why);
        double took = now_ms() - before;
        longest = took > longest ? took : longest;
        if (result == SHELF_FULL)
            break;
        if (result != SHELF_DONE)
            give_up("write", (int)result, why);
        done = next;
    }
    double seconds = (now_ms() - began) / 1000;
    pending_free(&pending);
    printf("%-34s %10llu%s\n", "records written", (unsigned long long)done,
           done < count ? ", then the file was full" : "");
    printf("%-34s %10.0f\n%-34s %10.1f\n", "records a second", (double)done / seconds, "longest commit, ms", longest);
    return done;
}

static void say_size(struct shelf *shelf, uint64_t written)
{
    struct shelf_size size;
    if (!shelf_measure(shelf, &size) || size.records == 0 || written == 0)
        give_up("measure", 0, NULL);
    printf("%-34s %10.0f\n", "file, MiB", (double)size.file_bytes / 1048576);
    printf("%-34s %10.0f (%.0f %% of its size)\n", "of these in use, MiB", (double)size.bytes_used / 1048576,
           (double)size.bytes_used * 100 / (double)size.bytes_max);
    printf("%-34s %10.1f (of its key: %.1f)\n", "octets in use for a record",
           (double)size.bytes_used / (double)size.records, (double)key_bytes / (double)written);
}

/* -- cleaning, while somebody asks */

struct asker {
    struct shelf *shelf;
    uint64_t records, finds, found, slow;
    double longest, total;
    atomic_bool ends;
};

static void *ask(void *context)
{
    struct asker *asker = context;
    while (!atomic_load(&asker->ends)) {
        char text[NAME_ROOM];
        struct store_record record;
        struct slice name = name_of(text, scatter(asker->finds++ + (UINT64_C(1) << 40)) % asker->records);
        double before = now_ms();
        asker->found += shelf_find(asker->shelf, name, &record) == SHELF_DONE;
        double took = now_ms() - before;
        asker->longest = took > asker->longest ? took : asker->longest;
        asker->total += took;
        asker->slow += took > FIND_BOUND_MS;
    }
    return NULL;
}

static void clean(struct shelf *shelf, time_t now, struct asker *asker)
{
    struct purge *purge = purge_new();
    struct purge_done done = {0};
    double longest = 0, began = now_ms();
    uint64_t looked = 0, over = 0, slices = 0;
    while (!done.is_round_over) {
        const char *why = NULL;
        double before = now_ms();
        enum shelf_result result = purge_slice(purge, shelf, now, 0, &done, &why);
        double took = now_ms() - before;
        longest = took > longest ? took : longest;
        if (result != SHELF_DONE)
            give_up("purge", (int)result, why);
        looked += done.looked;
        over += done.over;
        slices++;
    }
    double took = now_ms() - began;
    atomic_store(&asker->ends, true);
    purge_free(&purge);
    printf("%-34s %10llu looked at, %llu deleted, %llu slices, %.1f s\n", "cleaned", (unsigned long long)looked,
           (unsigned long long)over, (unsigned long long)slices, took / 1000);
    printf("%-34s %10.1f (mean %.1f)\n", "longest slice, ms", longest, took / (double)slices);
}

static void clean_and_ask(struct shelf *shelf, uint64_t records, const char *how, time_t now)
{
    struct asker asker = {.shelf = shelf, .records = records};
    pthread_t thread;
    printf("%s:\n", how);
    if (pthread_create(&thread, NULL, ask, &asker) != 0)
        give_up("thread", 0, NULL);
    clean(shelf, now, &asker);
    pthread_join(thread, NULL);
    printf("%-34s %10.2f (below %d: all but %llu of %llu; mean %.4f)\n", "longest find meanwhile, ms", asker.longest,
           FIND_BOUND_MS, (unsigned long long)asker.slow, (unsigned long long)asker.finds,
           asker.total / (double)asker.finds);
}

/* As after a start of the machine. */
static void forget_file(void)
{
    int fd = open(file, O_RDONLY);
    if (fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        give_up("fadvise", 0, NULL);
    close(fd);
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : RECORDS;
    uint64_t bytes_max = (argc > 2 ? strtoull(argv[2], NULL, 10) : SIZE_MIB) << 20;
    const char *temporary = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/postern-bench-store-XXXXXX", temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(directory) == NULL)
        give_up(directory, 0, "cannot be made");
    snprintf(file, sizeof(file), "%s/memory.mdb", directory);
    struct shelf *shelf = open_shelf(bytes_max);
    uint64_t written = fill(shelf, records);
    say_size(shelf, written);
    shelf_close(&shelf);
    forget_file();
    double before = now_ms();
    shelf = open_shelf(bytes_max);
    printf("%-34s %10.1f (below %d)\n", "opened, ms", now_ms() - before, OPEN_BOUND_MS);
    clean_and_ask(shelf, written, "cold", NOW);
    clean_and_ask(shelf, written, "in memory", LATER);
    say_size(shelf, written);
    shelf_close(&shelf);
    unlink(file);
    snprintf(file, sizeof(file), "%s/memory.mdb-lock", directory);
    unlink(file);
    rmdir(directory);
    return 0;
}
