/* SPDX-License-Identifier: ISC
 *
 * pending - changes that are not on disk yet: what the next commit writes, and what a reader sees before it.
 *
 * Of several changes of one key the last counts. Fixed memory, made once; nothing here locks or logs.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_PENDING_H
#define POSTERN_WORKERS_STOREKEEPER_PENDING_H

#include "common/store_record.h"
#include "workers/storekeeper/shelf.h"

enum { PENDING_CHANGES_MAX = 16384, PENDING_KEY_BYTES = 2 << 20 };

struct pending; /* opaque */

struct pending *pending_new(void); /* NULL: no memory */
void pending_free(struct pending **pending);

enum pending_found { PENDING_UNKNOWN, PENDING_THERE, PENDING_GONE };
enum pending_found pending_find(const struct pending *pending, struct slice key, struct store_record *record_out);
/* record NULL: the key goes. False: no room; nothing is changed. */
bool pending_put(struct pending *pending, struct slice key, const struct store_record *record);
size_t pending_count(const struct pending *pending);
bool pending_is_full(const struct pending *pending, unsigned percent); /* are so many of its changes or octets used? */
void pending_clear(struct pending *pending);
/* All of them in the order of their keys, for shelf_write; valid until the next change. */
const struct shelf_change *pending_sorted(struct pending *pending, size_t *count_out);

#endif
