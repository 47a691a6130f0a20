/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/orders.h"

enum { READ_TRIES = 64 };

size_t orders_bytes(int slot_count)
{
    return sizeof(struct orders) + (size_t)slot_count * sizeof(uint64_t);
}

/* -- the master */

void orders_set_log_level(struct orders *orders, bool configured, enum level level)
{
    atomic_store(&orders->log_level, configured ? 0 : (uint32_t)level + 1);
}

void orders_set_bypass(struct orders *orders, bool on)
{
    atomic_store(&orders->bypass, on);
}

void orders_set_slots_end(struct orders *orders, int end)
{
    atomic_store(&orders->slots_end, (uint32_t)end);
}

static void begin(struct orders *orders)
{
    atomic_fetch_or(&orders->sequence, 1u);
    atomic_thread_fence(memory_order_release);
}

static void end(struct orders *orders)
{
    atomic_fetch_add(&orders->sequence, 1u);
}

bool orders_add_trace(struct orders *orders, const struct network *network, int64_t until_ms)
{
    struct orders_trace *place = NULL;
    for (int i = ORDERS_TRACES_MAX - 1; i >= 0; i--)
        if (orders->traces[i].until_ms == 0 || network_equal(&orders->traces[i].network, network))
            place = &orders->traces[i];
    if (place == NULL)
        return false;
    begin(orders);
    *place = (struct orders_trace){*network, until_ms};
    end(orders);
    return true;
}

int orders_drop_traces(struct orders *orders, const struct network *network)
{
    int dropped = 0;
    begin(orders);
    for (int i = 0; i < ORDERS_TRACES_MAX; i++) {
        struct orders_trace *trace = &orders->traces[i];
        if (trace->until_ms == 0 || (network != NULL && !network_equal(&trace->network, network)))
            continue;
        *trace = (struct orders_trace){0};
        dropped++;
    }
    end(orders);
    return dropped;
}

void orders_kill(struct orders *orders, int slot, uint64_t session_number)
{
    atomic_store(&orders->kill[slot], session_number);
}

/* -- everybody */

static bool read_traces(const struct orders *orders, struct orders_trace out[ORDERS_TRACES_MAX])
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&orders->sequence, memory_order_acquire);
        memcpy(out, orders->traces, sizeof(orders->traces));
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 && before == atomic_load_explicit(&orders->sequence, memory_order_relaxed))
            return true;
    }
    return false;
}

int orders_list_traces(const struct orders *orders, struct orders_trace out[ORDERS_TRACES_MAX], int64_t now_ms)
{
    struct orders_trace all[ORDERS_TRACES_MAX];
    int count = 0;
    if (orders == NULL || !read_traces(orders, all))
        return 0;
    for (int i = 0; i < ORDERS_TRACES_MAX; i++)
        if (all[i].until_ms > now_ms)
            out[count++] = all[i];
    return count;
}

/* The first look costs one word: nearly always nobody is traced. */
bool orders_trace_wanted(const struct orders *orders, const struct ipaddr *client, int64_t now_ms)
{
    struct orders_trace traces[ORDERS_TRACES_MAX];
    if (orders == NULL || atomic_load_explicit(&orders->sequence, memory_order_relaxed) == 0)
        return false;
    int count = orders_list_traces(orders, traces, now_ms);
    for (int i = 0; i < count; i++)
        if (network_holds(&traces[i].network, client))
            return true;
    return false;
}

bool orders_want_killed(const struct orders *orders, int slot, uint64_t session_number)
{
    return orders != NULL && session_number != 0 && atomic_load(&orders->kill[slot]) == session_number;
}

enum level orders_log_level(const struct orders *orders, enum level configured)
{
    uint32_t ordered = orders != NULL ? atomic_load_explicit(&orders->log_level, memory_order_relaxed) : 0;
    return ordered >= 1 && ordered <= LEVEL_DEBUG + 1 ? (enum level)(ordered - 1) : configured;
}

bool orders_bypass(const struct orders *orders)
{
    return orders != NULL && atomic_load_explicit(&orders->bypass, memory_order_relaxed) != 0;
}

int orders_slots_end(const struct orders *orders, int slot_count)
{
    uint32_t end = orders != NULL ? atomic_load_explicit(&orders->slots_end, memory_order_relaxed) : 0;
    return end < (uint32_t)slot_count ? (int)end : slot_count;
}
