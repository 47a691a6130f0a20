/* SPDX-License-Identifier: ISC
 *
 * Records that are to go: found by a walk, a slice at a time, and deleted when its transaction is over.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/teller/teller_internal.h"

struct found {
    teller_meant *is_meant;
    const void *context;
    size_t count;
    struct store_key keys[TELLER_SLICE];
};

static bool take_found(void *context, struct slice key, const struct store_record *record)
{
    struct found *found = context;
    (void)record;
    if (!found->is_meant(found->context, key))
        return true;
    struct store_key *to = &found->keys[found->count++];
    memcpy(to->text, key.at, key.size);
    to->size = key.size;
    return found->count < TELLER_SLICE;
}

bool teller_delete_one(struct teller *t, const struct store_key *key)
{
    struct store_request request;
    store_request_init(&request, STORE_DELETE, store_key_slice(key));
    struct store_answer answer = teller_change(t, &request);
    if (answer.outcome == STORE_UNSURE)
        teller_complain_of_keeper(t);
    return answer.outcome == STORE_PASS;
}

int teller_delete(struct teller *t, struct slice prefix, teller_meant *is_meant, const void *context)
{
    struct found *found = calloc(1, sizeof(*found));
    struct store_key from = {.size = 0};
    enum shelf_result result = SHELF_DONE;
    int deleted = 0;
    if (found == NULL)
        teller_complain(t, "no memory", NULL);
    found->is_meant = is_meant;
    found->context = context;
    while (result == SHELF_DONE) {
        found->count = 0;
        result = shelf_walk(t->shelf, &from, prefix, TELLER_SLICE, take_found, found);
        for (size_t i = 0; i < found->count; i++)
            deleted += teller_delete_one(t, &found->keys[i]);
    }
    if (result != SHELF_NONE)
        teller_complain_of_shelf(t, result, NULL);
    free(found);
    return deleted;
}
