/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <string.h>

#include "common/clock.h"

#include "workers/lookups.h"

enum { TICKET_INDEX_BITS = 8, TICKET_SCOPE_BITS = 2, TICKET_SERIAL_SHIFT = TICKET_INDEX_BITS + TICKET_SCOPE_BITS };
_Static_assert(LOOKUPS_MAX <= 1 << TICKET_INDEX_BITS && LOOKUP_SCOPES <= 1 << TICKET_SCOPE_BITS, "a ticket holds both");

static const struct lookup NO_ROOM = {.status = DNS_FAILED, .name = ""};
static const struct lookup NO_TIME = {.status = DNS_FAILED, .name = "", .was_late = true};
static const struct lookup NO_NAME = {.status = DNS_NO_NAME, .name = ""};

/* Of a set that begins anew nothing that is still to come may be taken for one of its own. */
static void clear_set(struct lookups *l, enum lookup_scope scope)
{
    uint32_t serial = ++l->serial & (UINT32_MAX >> TICKET_SERIAL_SHIFT);
    l->sets[scope] = (struct lookup_set){.serial = serial};
}

/* All of it answered, lately, and with room for as much again. */
static bool is_fresh(const struct lookups *l, enum lookup_scope scope)
{
    const struct lookup_set *set = &l->sets[scope];
    if (set->count == 0 || set->count > LOOKUPS_MAX / 2 || set->used > LOOKUP_ARENA_BYTES / 2 ||
        clock_ms() - set->since_ms >= LOOKUP_FRESH_MS)
        return false;
    for (int i = 0; i < set->count; i++)
        if (l->items[scope][i].status == DNS_ASKED || l->items[scope][i].status == DNS_FAILED)
            return false;
    return true;
}

void lookups_begin_session(struct lookups *l, struct dns *dns, const struct lookup_host *host, int64_t allowed_ms)
{
    l->dns = dns;
    l->host = host;
    l->allowed_ms = allowed_ms;
    l->waited_ms = 0;
    l->extra_ms = 0;
    l->answered = l->failed = false;
    l->interrupted = IO_OK;
    l->client_name = (struct client_name){0};
    for (int scope = 0; scope < LOOKUP_SCOPES; scope++)
        clear_set(l, (enum lookup_scope)scope);
}

void lookups_begin_transaction(struct lookups *l)
{
    if (!is_fresh(l, LOOKUP_TRANSACTION))
        clear_set(l, LOOKUP_TRANSACTION);
    l->extra_ms = l->allowed_ms / LOOKUP_TRANSACTION_SHARE;
}

void lookups_end_session(struct lookups *l)
{
    if (l->dns != NULL)
        dns_forget(l->dns);
    l->client_name = (struct client_name){0};
    for (int scope = 0; scope < LOOKUP_SCOPES; scope++)
        clear_set(l, (enum lookup_scope)scope);
}

void lookups_renew_time(struct lookups *l)
{
    l->waited_ms = 0;
}

int64_t lookups_left_ms(const struct lookups *l)
{
    bool is_dead = l->silences >= LOOKUP_SILENCES_MAX;
    int64_t allowed_ms = is_dead && l->allowed_ms > LOOKUP_IMPATIENT_MS ? LOOKUP_IMPATIENT_MS : l->allowed_ms;
    if (allowed_ms > l->waited_ms)
        return allowed_ms - l->waited_ms;
    return !is_dead && l->extra_ms > 0 ? l->extra_ms : 0;
}

static void charge(struct lookups *l, int64_t ms)
{
    if (l->waited_ms < l->allowed_ms)
        l->waited_ms += ms;
    else
        l->extra_ms -= ms;
}

/* -- who wants to hear of it -- */

static void tell_asked(const struct lookups *l, const struct lookup *lookup)
{
    if (l->host != NULL && l->host->asked != NULL)
        l->host->asked(l->host->context, lookup);
}

static void tell_answered(const struct lookups *l, const struct lookup *lookup)
{
    if (l->host != NULL && l->host->answered != NULL)
        l->host->answered(l->host->context, lookup);
}

/* -- answers -- */

/* Room that answers still to come will need is nobody else's: whose answers are long and come first (the client's own
 * names, say) would leave none for what a list says of it. */
static void *take_room(struct lookups *l, enum lookup_scope scope, size_t size)
{
    struct lookup_set *set = &l->sets[scope];
    size_t rounded = (size + 15) & ~(size_t)15;
    if (rounded + (size_t)set->open * LOOKUP_RESERVED_BYTES > LOOKUP_ARENA_BYTES - set->used)
        return NULL;
    void *at = l->arenas[scope] + set->used;
    set->used += rounded;
    return at;
}

static const char *keep_text(struct lookups *l, enum lookup_scope scope, struct slice text)
{
    char *at = take_room(l, scope, text.size + 1);
    if (at == NULL)
        return NULL;
    if (text.size > 0)
        memcpy(at, text.at, text.size);
    at[text.size] = '\0';
    return at;
}

static bool keep_record(struct lookups *l, enum lookup_scope scope, const struct dns_record *from,
                        struct dns_record *out)
{
    *out = *from;
    if (from->name != NULL)
        out->name = keep_text(l, scope, slice_of(from->name));
    if (from->text.at != NULL)
        out->text.at = keep_text(l, scope, from->text);
    return (from->name == NULL || out->name != NULL) && (from->text.at == NULL || out->text.at != NULL);
}

static bool keep_records(struct lookups *l, enum lookup_scope scope, struct lookup *lookup,
                         const struct dns_record *records, int count)
{
    const size_t used = l->sets[scope].used;
    struct dns_record *own = take_room(l, scope, (size_t)count * sizeof(*own));
    for (int i = 0; own != NULL && i < count; i++)
        if (!keep_record(l, scope, &records[i], &own[i]))
            own = NULL;
    if (own == NULL) {
        l->sets[scope].used = used;
        return false;
    }
    lookup->records = own;
    lookup->count = count;
    return true;
}

static void hear(void *context, uint32_t ticket, enum dns_status status, const struct dns_record *records, int count,
                 bool cut)
{
    struct lookups *l = context;
    uint32_t index = ticket & ((1u << TICKET_INDEX_BITS) - 1);
    enum lookup_scope scope = (enum lookup_scope)(ticket >> TICKET_INDEX_BITS & ((1u << TICKET_SCOPE_BITS) - 1));
    const struct lookup_set *set = &l->sets[scope];
    struct lookup *lookup = &l->items[scope][index];
    if (ticket >> TICKET_SERIAL_SHIFT != set->serial || (int)index >= set->count || lookup->status != DNS_ASKED)
        return; /* its scope, or its time, is over */
    l->failed |= status == DNS_FAILED;
    if (status != DNS_FAILED) {
        l->answered = true;
        l->silences = 0;
    }
    lookup->took_ms = (uint32_t)(clock_ms() - lookup->asked_ms);
    lookup->cut = cut;
    lookup->status = status;
    l->sets[scope].open--;
    if (status == DNS_FOUND && !keep_records(l, scope, lookup, records, count))
        lookup->status = DNS_FAILED;
    tell_answered(l, lookup);
}

/* -- questions -- */

static const struct lookup *find(const struct lookups *l, enum lookup_scope scope, enum dns_type type, const char *name)
{
    for (int i = 0; i < l->sets[scope].count; i++) {
        const struct lookup *lookup = &l->items[scope][i];
        if (lookup->type == type && slice_is_word(slice_of(lookup->name), name))
            return lookup;
    }
    return NULL;
}

/* What was answered to the same question in a scope that lasts longer, or is about to be. */
static const struct lookup *find_in_wider(const struct lookups *l, enum lookup_scope scope, enum dns_type type,
                                          const char *name)
{
    for (int wider = 0; wider < (int)scope; wider++) {
        const struct lookup *known = find(l, (enum lookup_scope)wider, type, name);
        if (known != NULL && known->status != DNS_FAILED && clock_ms() - known->asked_ms < LOOKUP_FRESH_MS)
            return known;
    }
    return NULL;
}

const struct lookup *lookups_ask(struct lookups *l, enum lookup_scope scope, enum dns_type type, const char *name)
{
    if (!dns_question_is_valid(slice_of(name)))
        return &NO_NAME;
    if (scope == LOOKUP_ONCE && !is_fresh(l, scope))
        clear_set(l, scope);
    const struct lookup *known = find(l, scope, type, name);
    if (known == NULL)
        known = find_in_wider(l, scope, type, name);
    if (known != NULL)
        return known;
    if (lookups_left_ms(l) == 0)
        return &NO_TIME;
    struct lookup_set *set = &l->sets[scope];
    set->open++;
    const char *kept = set->count < LOOKUPS_MAX && l->dns != NULL ? keep_text(l, scope, slice_of(name)) : NULL;
    if (kept == NULL) {
        set->open--;
        return &NO_ROOM;
    }
    uint32_t index = (uint32_t)set->count++;
    struct lookup *lookup = &l->items[scope][index];
    *lookup = (struct lookup){.scope = scope, .type = type, .status = DNS_ASKED, .name = kept, .asked_ms = clock_ms()};
    if (index == 0)
        set->since_ms = lookup->asked_ms;
    uint32_t ticket = set->serial << TICKET_SERIAL_SHIFT | (uint32_t)scope << TICKET_INDEX_BITS | index;
    tell_asked(l, lookup);
    dns_ask(l->dns, type, kept, hear, l, ticket);
    return lookup;
}

/* What is not there by then never is, so that who asks twice hears the same. */
static void give_up(struct lookups *l, struct lookup *lookup, enum io io)
{
    l->sets[lookup->scope].open--;
    lookup->status = DNS_FAILED;
    lookup->took_ms = (uint32_t)(clock_ms() - lookup->asked_ms);
    lookup->was_late = io == IO_LATE;
    if (io != IO_LATE && l->interrupted == IO_OK)
        l->interrupted = io;
    tell_answered(l, lookup);
}

static void wait_for_answer(struct lookups *l, struct lookup *lookup, int64_t until_ms)
{
    int64_t began_ms = clock_ms(), own_ms = began_ms + lookups_left_ms(l);
    int64_t deadline_ms = own_ms < until_ms ? own_ms : until_ms;
    enum io io = l->interrupted;
    if (l->host != NULL)
        l->host->begin_wait(l->host->context);
    while (io == IO_OK && lookup->status == DNS_ASKED)
        io = dns_wait(l->dns, deadline_ms);
    if (l->host != NULL)
        l->host->end_wait(l->host->context);
    charge(l, clock_ms() - began_ms);
    if (lookup->status != DNS_ASKED)
        return;
    give_up(l, lookup, io);
    bool is_unwaited = deadline_ms <= began_ms; /* which says nothing of the resolver */
    l->failed |= io == IO_LATE && !is_unwaited;
    l->silences += io == IO_LATE && !l->answered && !is_unwaited;
}

enum dns_status lookups_await_until(struct lookups *l, const struct lookup *lookup, int64_t deadline_ms)
{
    if (lookup->status == DNS_ASKED) /* so it is one of ours, which may be written */
        wait_for_answer(l, (struct lookup *)lookup, deadline_ms);
    return lookup->status;
}

enum dns_status lookups_await(struct lookups *l, const struct lookup *lookup)
{
    return lookups_await_until(l, lookup, CLOCK_NEVER);
}

const struct lookup *lookups_resolve(struct lookups *l, enum lookup_scope scope, enum dns_type type, const char *name)
{
    const struct lookup *lookup = lookups_ask(l, scope, type, name);
    lookups_await(l, lookup);
    return lookup;
}

/* Those that stand for no question are constants. */
void lookup_set_timed(const struct lookup *lookup)
{
    if (lookup != &NO_ROOM && lookup != &NO_TIME && lookup != &NO_NAME)
        ((struct lookup *)lookup)->timed = true;
}
