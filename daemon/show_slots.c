/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "common/phase.h"

#include "daemon/deed.h"
#include "daemon/show_internal.h"

/* A slot that its worker never stopped writing is shown, too: as unreadable. */
struct seen {
    int slot;
    bool readable;
    struct slot_facts facts;
};

/* Times come from a worker as well. */
int64_t show_age(const struct show *show, int64_t since_ms)
{
    return since_ms > 0 && since_ms <= show->now_ms ? show->now_ms - since_ms : 0;
}

bool show_read_session(const struct show *show, int slot, struct slot_facts *out)
{
    const struct house *house = show->view.house;
    return house->roster.entries[slot].pid != 0 && slot_read(&house->board, slot, out) && out->state == SLOT_BUSY;
}

static int longest_first(const void *a, const void *b)
{
    const struct seen *one = a, *other = b;
    int64_t left = one->facts.session_since_ms, right = other->facts.session_since_ms;
    if (left != right)
        return left < right ? -1 : 1;
    return one->slot - other->slot;
}

static void say_place(const struct show *show, struct buffer *to, int slot)
{
    const struct roster_entry *entry = &show->view.house->roster.entries[slot];
    const struct crew *crew = show_crew_of(show, entry);
    control_number(to, "slot", slot);
    control_number(to, "pid", entry->pid);
    control_number(to, "generation", entry->generation);
    control_string(to, "listener", crew != NULL ? crew->plan->name : NULL);
}

static void say_session(struct show *show, const struct seen *seen)
{
    const struct slot_facts *facts = &seen->facts;
    char client[IPADDR_TEXT_MAX] = "local";
    struct buffer *to = show_record(show, "session");
    if (facts->client.family != 0)
        ipaddr_print(&facts->client, client);
    control_string(to, "id", facts->session_id);
    say_place(show, to, seen->slot);
    control_string(to, "client", client);
    control_number(to, "port", facts->client_port);
    control_string(to, "phase", phase_name((enum phase)facts->phase));
    control_flag(to, "tls", facts->tls != 0);
    control_flag(to, "held", facts->held != 0);
    control_number(to, "score", facts->score);
    control_number(to, "errors", facts->session_errors);
    control_string(to, "standing", standing_name((enum standing)facts->standing));
    control_number(to, "messages", facts->session_messages);
    control_number(to, "age_ms", show_age(show, facts->session_since_ms));
    control_end(to);
}

bool show_sessions(struct show *show)
{
    const struct house *house = show->view.house;
    struct seen *all = calloc((size_t)house->roster.size, sizeof(*all));
    int count = 0;
    if (all == NULL) {
        deed_error(&show->out, "no memory for so many slots", NULL);
        return false;
    }
    for (int slot = 0; slot < house->roster.size; slot++) {
        struct seen *next = &all[count];
        if (!show_read_session(show, slot, &next->facts))
            continue;
        next->slot = slot;
        count++;
    }
    qsort(all, (size_t)count, sizeof(*all), longest_first);
    for (int i = 0; i < count; i++)
        say_session(show, &all[i]);
    free(all);
    return true;
}

static const char *state_name(const struct seen *seen)
{
    static const char *const names[SLOT_STATES] = {
        [SLOT_EMPTY] = "starting", [SLOT_IDLE] = "idle", [SLOT_BUSY] = "busy"};
    return seen->readable ? names[seen->facts.state] : "unreadable";
}

static void say_worker(struct show *show, const struct seen *seen)
{
    const struct slot_facts *facts = &seen->facts;
    struct buffer *to = show_record(show, "worker");
    say_place(show, to, seen->slot);
    control_string(to, "state", state_name(seen));
    control_number(to, "age_ms", show->now_ms - show->view.house->roster.entries[seen->slot].started_ms);
    show_count(to, "sessions", facts->sessions);
    show_count(to, "messages", facts->messages);
    show_count(to, "refused_messages", facts->refused_messages);
    show_count(to, "bytes_in", facts->bytes_in);
    if (seen->readable && facts->state == SLOT_BUSY)
        control_string(to, "session", facts->session_id);
    control_end(to);
}

bool show_workers(struct show *show)
{
    const struct house *house = show->view.house;
    for (int slot = 0; slot < house->roster.size; slot++) {
        if (house->roster.entries[slot].pid == 0)
            continue;
        struct seen seen = {.slot = slot};
        seen.readable = slot_read(&house->board, slot, &seen.facts);
        say_worker(show, &seen);
    }
    return true;
}
