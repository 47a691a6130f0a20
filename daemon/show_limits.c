/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/rate.h"

#include "daemon/deed.h"
#include "daemon/show_internal.h"

enum { MS_PER_S = 1000 };

/* -- who is blocked and allowed */

static bool show_listed(struct show *show, enum listed_as as)
{
    const struct listed *listed = show->view.house->board.listed;
    for (int i = 0; i < LISTED_MAX; i++) {
        struct listed_entry entry;
        char reason[LISTED_REASON_MAX];
        if (!listed_read(listed, i, clock_wall(), &entry, reason) || entry.as != as)
            continue;
        if (buffer_room(&show->out) < CONTROL_RECORD_MAX)
            show_flush(show);
        deed_say_listed(&show->out, &entry, reason);
    }
    return true;
}

bool show_blocked(struct show *show)
{
    return show_listed(show, LISTED_BLOCKED);
}

bool show_allowed(struct show *show)
{
    return show_listed(show, LISTED_ALLOWED);
}

/* -- limits */

static void say_limit(struct show *show, const struct plan_limit *limit)
{
    const struct scoreboard *board = &show->view.house->board;
    uint64_t hash = scoreboard_hash(board, slice_of(limit->name), slice_make("", 0));
    struct buffer *to = show_record(show, "limit");
    control_string(to, "name", limit->name);
    control_string(to, "of", limit->of);
    control_string(to, "per", limit->per);
    control_string(to, "rate", limit->rate);
    control_string(to, "action", limit->action);
    control_string(to, "mode", limit->mode);
    show_count(to, "hits", hits_tally(board->hits, hash));
    control_end(to);
}

bool show_limits(struct show *show)
{
    const struct plan *plan = show->view.plan;
    for (int i = 0; i < plan->limit_count; i++)
        say_limit(show, &plan->limits[i]);
    return true;
}

/* -- rates: whoever hit one of them lately; what workers wrote, cleaned */

static int latest_first(const void *a, const void *b)
{
    const struct hit *one = a, *other = b;
    if (one->last_s != other->last_s)
        return one->last_s > other->last_s ? -1 : 1;
    return strcmp(one->key, other->key);
}

static int64_t ago_ms(int64_t seconds)
{
    int64_t ago = clock_wall() - seconds;
    return ago > 0 ? ago * MS_PER_S : 0;
}

/* NULL: no such limit any more, or its name was cut and is that of two. */
static const char *per_of(const struct plan *plan, const struct hit *hit)
{
    const char *per = NULL;
    for (int i = 0; i < plan->limit_count; i++) {
        if (strcmp(plan->limits[i].name, hit->limit) != 0)
            continue;
        if (per != NULL && strcmp(per, plan->limits[i].per) != 0)
            return NULL;
        per = plan->limits[i].per;
    }
    return per;
}

/* What looks like an address may be a domain that a client thought of: only by its limit is it known for one. */
static void say_hit(struct show *show, const struct hit *hit)
{
    const char *per = per_of(show->view.plan, hit);
    bool is_client = per != NULL && (strcmp(per, "client") == 0 || strcmp(per, "network") == 0);
    struct buffer *to = show_record(show, "rate");
    control_string(to, "key", hit->key);
    control_string(to, "client", is_client ? hit->key : NULL);
    control_string(to, "limit", hit->limit);
    control_string(to, "per", per);
    show_count(to, "times", hit->times);
    control_number(to, "first_ms", ago_ms(hit->first_s));
    control_number(to, "last_ms", ago_ms(hit->last_s));
    if (hit->hash != 0)
        control_number(to, "charged_ms", rate_paid_after_ms(&show->view.house->board.rates, hit->hash, show->now_ms));
    control_end(to);
}

/* "rates", "rates KEY", "rates list", "rates list KEY": the key, or empty for all. */
static struct slice wanted_key(const struct control_request *request)
{
    struct slice all = slice_make("", 0);
    if (request->count == 0)
        return all;
    if (!slice_equal(request->arguments[0], slice_of("list")))
        return request->arguments[0];
    return request->count > 1 ? request->arguments[1] : all;
}

bool show_rates(struct show *show)
{
    static struct hit found[HITS_ROWS];
    struct slice key = wanted_key(&show->request);
    size_t count = 0;
    for (int i = 0; i < HITS_ROWS; i++)
        if (hits_read(show->view.house->board.hits, i, &found[count]) &&
            (key.size == 0 || slice_equal_nocase(slice_of(found[count].key), key)))
            count++;
    qsort(found, count, sizeof(found[0]), latest_first);
    for (size_t i = 0; i < count; i++)
        say_hit(show, &found[i]);
    return true;
}
