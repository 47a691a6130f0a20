/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/ticket_keys.h"

enum { READ_TRIES = 64 };

static bool is_there(const struct ticket_key *key)
{
    static const unsigned char none[TICKET_NAME_BYTES];
    return memcmp(key->name, none, sizeof(none)) != 0;
}

bool ticket_keys_rotate(struct ticket_keys *keys)
{
    struct ticket_key fresh;
    if (getrandom(&fresh, sizeof(fresh), 0) != (ssize_t)sizeof(fresh))
        return false;
    uint32_t sequence = atomic_load_explicit(&keys->sequence, memory_order_relaxed) | 1u;
    atomic_store_explicit(&keys->sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memmove(keys->keys + 1, keys->keys, sizeof(keys->keys) - sizeof(keys->keys[0]));
    keys->keys[0] = fresh;
    atomic_store_explicit(&keys->sequence, sequence + 1u, memory_order_release);
    atomic_fetch_add(&keys->rotated, 1);
    atomic_store(&keys->rotated_ms, clock_ms());
    explicit_bzero(&fresh, sizeof(fresh));
    return true;
}

static bool read_all(const struct ticket_keys *keys, struct ticket_key out[TICKET_KEYS_MAX])
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&keys->sequence, memory_order_acquire);
        memcpy(out, keys->keys, sizeof(keys->keys));
        atomic_thread_fence(memory_order_acquire);
        uint32_t after = atomic_load_explicit(&keys->sequence, memory_order_relaxed);
        if (before == after && before % 2 == 0)
            return true;
    }
    return false;
}

bool ticket_keys_newest(const struct ticket_keys *keys, struct ticket_key *key_out)
{
    struct ticket_key all[TICKET_KEYS_MAX];
    bool found = read_all(keys, all) && is_there(&all[0]);
    if (found)
        *key_out = all[0];
    explicit_bzero(all, sizeof(all));
    return found;
}

bool ticket_keys_find(const struct ticket_keys *keys, const unsigned char name[TICKET_NAME_BYTES],
                      struct ticket_key *key_out, bool *newest_out)
{
    struct ticket_key all[TICKET_KEYS_MAX];
    bool found = false;
    bool read = read_all(keys, all);
    for (int i = 0; i < TICKET_KEYS_MAX && read && !found; i++) {
        found = is_there(&all[i]) && memcmp(all[i].name, name, TICKET_NAME_BYTES) == 0;
        if (found) {
            *key_out = all[i];
            *newest_out = i == 0;
        }
    }
    explicit_bzero(all, sizeof(all));
    return found;
}
