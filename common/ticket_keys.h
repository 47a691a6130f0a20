/* SPDX-License-Identifier: ISC
 *
 * ticket_keys - the keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1), shared by all workers, so that any
 * of them takes up the session that another one began.
 *
 * A region of the scoreboard: written by the master before the first fork and by the housekeeper alone after; read-only
 * for workers, never mapped where posternctl's questions are answered. The newest key seals, all of them open.
 */
#ifndef POSTERN_COMMON_TICKET_KEYS_H
#define POSTERN_COMMON_TICKET_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TICKET_KEYS_MAX = 3, TICKET_NAME_BYTES = 16, TICKET_AES_BYTES = 32, TICKET_MAC_BYTES = 32 };

struct ticket_key {
    unsigned char name[TICKET_NAME_BYTES]; /* all zero: none */
    unsigned char aes[TICKET_AES_BYTES];
    unsigned char mac[TICKET_MAC_BYTES];
};

struct ticket_keys {
    _Atomic uint32_t sequence;               /* odd while they change */
    _Atomic uint32_t rotated;                /* how often */
    _Atomic int64_t rotated_ms;              /* clock_ms() of the newest */
    struct ticket_key keys[TICKET_KEYS_MAX]; /* newest first */
};

/* A new first key; the oldest goes. By one process at a time. False when there is no randomness: nothing has changed.
 */
bool ticket_keys_rotate(struct ticket_keys *keys);
/* For sealing. False: none, or they kept changing. */
bool ticket_keys_newest(const struct ticket_keys *keys, struct ticket_key *key_out);
/* For opening. `newest_out`: it need not be renewed. */
bool ticket_keys_find(const struct ticket_keys *keys, const unsigned char name[TICKET_NAME_BYTES],
                      struct ticket_key *key_out, bool *newest_out);

#endif
