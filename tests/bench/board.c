/* SPDX-License-Identifier: ISC
 *
 * board - what the shared tables cost a connection: `bench-board`. Figures as measured, beside what they are to stay
 * below; the status is 0 whatever they are.
 *
 * Rates: the six limits of a connection, each with its key hashed, on a table of a million entries that is full and
 * stays so. Clients are drawn at random, so that nearly every look misses the caches of a core. Concurrency: one scan
 * of a column of seats. Both once more with all caches full of something else before each one, as after a wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "common/rate.h"
#include "common/seats.h"
#include "common/siphash.h"

enum {
    ENTRIES = 1000000,
    CLIENTS = ENTRIES / 8, /* whose entries fill the table; those of any others push some of them out */
    FILL_MAX = 100,
    RUNS = 9,
    CONNECTIONS = 100000, /* a run */
    COLD_ONES = 31,       /* a run */
    SCANS = 1000,         /* a run */
    SEATS_MAX = 65536,
    NAMES = 3000, /* of those who sit there */
    ELSEWHERE_BYTES = 64 << 20,
    LIMITS_BOUND_US = 5,
    SCAN_BOUND_US = 15,
    HOUR_MS = 3600 * 1000
};

static const struct limit {
    bool of_network;
    struct rate rate;
    uint64_t amount;
} LIMITS[] = {
    /* clang-format off */
    {false, {30, HOUR_MS, 10},                   1},     /* connections */
    {true,  {300, HOUR_MS, 100},                 1},     /* connections of the network */
    {false, {60, HOUR_MS, 20},                   1},     /* messages */
    {false, {500, HOUR_MS, 100},                 1},     /* recipients */
    {false, {100000000, HOUR_MS, 20000000},      30000}, /* octets */
    {true,  {100, HOUR_MS, 50},                  1},     /* errors of the network */
    /* clang-format on */
};
enum { LIMIT_COUNT = sizeof(LIMITS) / sizeof(LIMITS[0]) };

static const uint8_t KEY[SIPHASH_KEY_BYTES] = "sixteen secrets";
static const int64_t NOW_MS = 1000 * (int64_t)HOUR_MS;
static struct table table;
static struct table_counts counts;
static _Atomic uint32_t *seats;
static uint64_t refused; /* so that no answer is left out */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t draw(void)
{
    static uint64_t state = 1; /* xorshift */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* A limit's name and an IPv6 address: of the network its first half. */
static uint64_t hash_of(int limit, uint64_t client)
{
    uint64_t key[3] = {(uint64_t)limit, client / 4, LIMITS[limit].of_network ? 0 : client};
    return siphash(KEY, key, sizeof(key));
}

static void connection(uint64_t client)
{
    for (int i = 0; i < LIMIT_COUNT; i++)
        refused += !rate_ask(&table, hash_of(i, client), &LIMITS[i].rate, NOW_MS, RATE_TAKE, LIMITS[i].amount, &counts)
                        .allowed;
}

static uint64_t known_client(void)
{
    return draw() % CLIENTS;
}

static void *memory_of(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("board: mmap");
        exit(0);
    }
    return at;
}

static void fill_table(void)
{
    size_t bytes = table_bytes(ENTRIES);
    uint64_t all = bytes / sizeof(uint64_t), used = 0;
    table = table_at(memory_of(bytes), bytes);
    for (int i = 0; i < FILL_MAX && used < all; i++) {
        for (uint64_t client = 0; client < CLIENTS; client++)
            connection(i == 0 ? client : draw());
        used = table_used(&table);
    }
    for (uint64_t client = 0; client < CLIENTS; client++)
        connection(client);
    printf("table: %llu of %llu entries in use, %zu KiB\n", (unsigned long long)rate_tidy(&table, NOW_MS),
           (unsigned long long)all, bytes / 1024);
}

static void fill_seats(void)
{
    seats = memory_of(SEATS_MAX * sizeof(*seats));
    for (int i = 0; i < SEATS_MAX; i++)
        seats[i] = (uint32_t)draw() % NAMES;
}

/* -- the measurements: one run each, in nanoseconds for one */

static double known_clients(void)
{
    uint64_t began = now_ns();
    for (int i = 0; i < CONNECTIONS; i++)
        connection(known_client());
    return (double)(now_ns() - began) / CONNECTIONS;
}

static double new_clients(void)
{
    uint64_t began = now_ns();
    for (int i = 0; i < CONNECTIONS; i++)
        connection(draw());
    return (double)(now_ns() - began) / CONNECTIONS;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *figures, int count)
{
    qsort(figures, (size_t)count, sizeof(*figures), by_size);
    return figures[count / 2];
}

static void any_connection(void)
{
    connection(draw() % 2 == 0 ? known_client() : draw());
}

static void scan(int seat_count)
{
    refused += seats_count(seats, seat_count, (uint32_t)draw() % NAMES) > 20;
}

static void scan_one_column(void)
{
    scan(10000);
}

/* The median of single ones, each after all caches were filled with something else. */
static double cold(void (*one)(void))
{
    static unsigned char *elsewhere;
    double took[COLD_ONES];
    if (elsewhere == NULL)
        elsewhere = memory_of(ELSEWHERE_BYTES);
    for (int i = 0; i < COLD_ONES; i++) {
        memset(elsewhere, i, ELSEWHERE_BYTES);
        uint64_t began = now_ns();
        one();
        took[i] = (double)(now_ns() - began);
    }
    return median(took, COLD_ONES);
}

static double cold_connection(void)
{
    return cold(any_connection);
}

static double cold_scan(void)
{
    return cold(scan_one_column);
}

static double scans(int seat_count)
{
    uint64_t began = now_ns();
    for (int i = 0; i < SCANS; i++)
        scan(seat_count);
    return (double)(now_ns() - began) / SCANS;
}

static double scan_10000(void)
{
    return scans(10000);
}

static double scan_65536(void)
{
    return scans(SEATS_MAX);
}

static void measure(const char *what, double (*run)(void), int bound_us)
{
    double took_us[RUNS];
    for (int i = 0; i < RUNS; i++)
        took_us[i] = run() / 1000;
    double middle = median(took_us, RUNS);
    printf("%-52s %8.2f us [%.2f..%.2f]  bound %2d us  ratio %.2f\n", what, middle, took_us[0], took_us[RUNS - 1],
           bound_us, middle / bound_us);
}

int main(void)
{
    fill_table();
    fill_seats();
    measure("6 limits of a connection, clients known", known_clients, LIMITS_BOUND_US);
    measure("6 limits of a connection, clients new: evictions", new_clients, LIMITS_BOUND_US);
    measure("6 limits of a connection, caches cold", cold_connection, LIMITS_BOUND_US);
    measure("a concurrency rule, 10,000 seats", scan_10000, SCAN_BOUND_US);
    measure("a concurrency rule, 10,000 seats, caches cold", cold_scan, SCAN_BOUND_US);
    measure("a concurrency rule, 65,536 seats", scan_65536, SCAN_BOUND_US);
    printf("table after that: %llu entries mean something, %llu evictions, %llu damaged, %llu refusals\n",
           (unsigned long long)rate_tidy(&table, NOW_MS), (unsigned long long)counts.evictions,
           (unsigned long long)counts.damaged, (unsigned long long)refused);
    return 0;
}
