/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "common/clock.h"
#include "common/keyword.h"
#include "common/version.h"

#include "daemon/deed.h"
#include "daemon/show_internal.h"

enum { MS_PER_S = 1000, S_PER_DAY = 86400, LIST_MAX = 1024 };

/* What people call a time: seconds since 1970. */
static int64_t wall_of(const struct show *show, int64_t clock)
{
    return clock_wall() - (show->now_ms - clock) / MS_PER_S;
}

static void say_level(struct show *show, struct buffer *to)
{
    enum level configured = (enum level)show->view.plan->process->log_level;
    enum level level = orders_log_level(show->view.house->board.orders, configured);
    control_string(to, "log_level", control_level_name(level));
    control_flag(to, "log_level_ordered",
                 orders_log_level(show->view.house->board.orders, LEVEL_ERROR) == level &&
                     orders_log_level(show->view.house->board.orders, LEVEL_DEBUG) == level);
}

static void say_master(struct show *show)
{
    const struct control_view *view = &show->view;
    struct buffer *to = show_record(show, "posternd");
    control_string(to, "version", postern_version);
    control_number(to, "pid", getppid());
    control_string(to, "state", view->state);
    control_string(to, "hostname", view->plan->hostname);
    control_number(to, "started", wall_of(show, view->started_ms));
    control_number(to, "uptime_ms", show->now_ms - view->started_ms);
    control_number(to, "generation", view->generation_count > 0 ? view->generations[0]->number : 0);
    control_number(to, "reloads", view->reloads);
    if (view->reloaded_ms != 0)
        control_number(to, "reloaded", wall_of(show, view->reloaded_ms));
    control_string(to, "reload_refused", view->last_refusal);
    control_number(to, "housekeeper", view->housekeeper);
    control_number(to, "housekeeper_restarts", view->housekeeper_restarts);
    say_level(show, to);
    control_string(to, "sandbox", sandbox_in_force(view->house->sandbox, plan_sandbox(view->plan)));
    control_number(to, "landlock", sandbox_landlock(view->house->sandbox, plan_sandbox(view->plan)));
    control_flag(to, "bypass", view->bypass->on);
    control_end(to);
}

/* -- listeners and generations: how many there are is the master's own knowledge, what they do is rumour */

static void tally_slot(const struct show *show, int slot, struct show_tally *tally)
{
    uint32_t tag = atomic_load_explicit(&show->view.house->board.tags[slot], memory_order_relaxed);
    tally->alive++;
    tally->idle += tag == TAG_IDLE;
    tally->starting += tag == TAG_STARTING;
    tally->busy += tag >= TAG_BUSY;
    tally->held += tag >= TAG_BUSY && (tag & TAG_HELD) != 0;
}

struct show_tally show_tally_of(const struct show *show, uint32_t generation, int crew)
{
    const struct roster *roster = &show->view.house->roster;
    struct show_tally tally = {0};
    for (int slot = 0; slot < roster->size; slot++) {
        const struct roster_entry *entry = &roster->entries[slot];
        if (entry->pid != 0 && entry->generation == generation && (crew < 0 || entry->crew == crew))
            tally_slot(show, slot, &tally);
    }
    return tally;
}

static void say_addresses(struct buffer *to, const struct endpoint_list *addresses)
{
    char memory[LIST_MAX], text[ENDPOINT_TEXT_MAX];
    struct buffer list;
    buffer_init(&list, memory, sizeof(memory));
    for (size_t i = 0; i < addresses->count; i++) {
        endpoint_print(&addresses->items[i], text);
        buffer_print(&list, "%s%s", i > 0 ? ", " : "", text);
    }
    control_text(to, "addresses", buffer_unread(&list));
}

static void say_tally(struct buffer *to, const struct show_tally *tally)
{
    control_number(to, "alive", tally->alive);
    control_number(to, "idle", tally->idle);
    control_number(to, "busy", tally->busy);
    control_number(to, "held", tally->held);
    control_number(to, "starting", tally->starting);
}

static void say_listeners(struct show *show, const struct generation *generation)
{
    for (int i = 0; i < generation->count; i++) {
        const struct listener_plan *plan = generation->crews[i].plan;
        struct show_tally tally = show_tally_of(show, generation->number, i);
        struct buffer *to = show_record(show, "listener");
        control_string(to, "name", plan->name);
        say_addresses(to, &plan->listen->addresses);
        say_tally(to, &tally);
        control_number(to, "max", plan->pool->max_workers);
        control_end(to);
    }
}

static void say_draining(struct show *show, const struct generation *generation)
{
    struct show_tally tally = show_tally_of(show, generation->number, -1);
    struct buffer *to = show_record(show, "draining");
    control_number(to, "generation", generation->number);
    say_tally(to, &tally);
    control_end(to);
}

/* -- totals: of sessions that have ended */

static void say_totals(struct show *show)
{
    struct totals totals = show_totals(show);
    control_end(show_begin_totals(show, &totals));
}

/* Nobody who looks whether all is well shall miss it. */
static void say_bypass(struct show *show)
{
    const struct bypass *bypass = show->view.bypass;
    if (!bypass->on)
        return;
    struct buffer *to = show_record(show, "bypass");
    control_flag(to, "on", true);
    control_number(to, "since_ms", show->now_ms - bypass->since_ms);
    control_end(to);
}

static void say_certificates(struct show *show)
{
    const struct plan *plan = show->view.plan;
    for (int i = 0; i < plan->certificate_count; i++) {
        const struct plan_certificate *certificate = &plan->certificates[i];
        struct buffer *to = show_record(show, "certificate");
        control_string(to, "listener", certificate->listener);
        control_string(to, "file", certificate->file);
        control_number(to, "not_after", certificate->not_after);
        control_number(to, "days_left", (certificate->not_after - clock_wall()) / S_PER_DAY);
        control_end(to);
    }
}

/* A state that is not "working" is what whoever looks should see. */
static void say_store(struct show *show)
{
    const struct show_store store = show_read_store(show);
    if (!store.is_configured)
        return;
    struct buffer *to = show_record(show, "memory");
    control_string(to, "state", store.words);
    if (!store.is_working)
        control_string(to, "see", "posternd's log: event=store");
    if (store.bytes_max != 0) { /* it has begun once */
        show_count(to, "records", store.records);
        show_count(to, "bytes", store.bytes);
        show_count(to, "bytes_max", store.bytes_max);
        show_count(to, "waiting", store.waiting);
        show_count(to, "lost", store.lost);
    }
    control_end(to);
}

bool show_status(struct show *show)
{
    const struct control_view *view = &show->view;
    say_bypass(show);
    say_master(show);
    if (view->generation_count > 0)
        say_listeners(show, view->generations[0]);
    for (int i = 1; i < view->generation_count; i++)
        say_draining(show, view->generations[i]);
    say_totals(show);
    say_store(show);
    say_certificates(show);
    show_flush(show);
    deed_list_traces(&show->out, view->house->board.orders);
    return true;
}

/* -- inside servers */

static void say_health(struct show *show, struct buffer *to, const struct plan_server *server)
{
    struct health_facts facts = {0};
    if (server->slot >= 0 && server->slot < SCOREBOARD_SERVERS_MAX)
        facts = health_read(&show->view.house->board.health[server->slot]);
    control_string(to, "health", health_state_name(facts.state));
    control_string(to, "trouble", health_trouble_name(facts.trouble));
    if (facts.since_ms > 0 && facts.since_ms <= show->now_ms)
        control_number(to, "since_ms", show->now_ms - facts.since_ms);
    if (facts.probed_ms > 0 && facts.probed_ms <= show->now_ms) {
        control_number(to, "probed_ms", show->now_ms - facts.probed_ms);
        control_number(to, "took_ms", facts.took_ms);
    }
    control_number(to, "failures", facts.failures);
}

/* Who is there, and who waits for a berth: by their own words. */
static void say_berths(struct show *show, struct buffer *to, const struct plan_server *server)
{
    struct berth_count count = {0};
    if (server->slot >= 0 && server->slot < SCOREBOARD_SERVERS_MAX) {
        struct berths berths = scoreboard_berths(&show->view.house->board);
        count = berths_count(&berths, server->slot);
    }
    control_number(to, "sessions", count.sessions);
    control_number(to, "max_sessions", server->max_sessions);
    control_number(to, "waiting", count.waiting);
}

static void say_keywords(struct show *show, struct buffer *to, const struct plan_server *server)
{
    char memory[LIST_MAX] = "";
    struct buffer list;
    if (server->slot < 0 || server->slot >= SCOREBOARD_SERVERS_MAX)
        return;
    const struct heard *heard = &show->view.house->board.heard[server->slot];
    struct keyword_memory remembered = keyword_recall(heard, show->now_ms);
    buffer_init(&list, memory, sizeof(memory));
    for (int i = 0; i < KEYWORDS; i++)
        if ((remembered.keywords & keyword_rows[i].bit) != 0)
            buffer_print(&list, "%s%s", list.end > 0 ? " " : "", keyword_rows[i].text);
    for (int i = 0; i < AUTH_MECHANISMS; i++)
        if ((remembered.keywords & auth_mechanism_rows[i].bit) != 0)
            buffer_print(&list, "%sAUTH=%s", list.end > 0 ? " " : "", auth_mechanism_rows[i].text);
    if (remembered.known) {
        control_text(to, "keywords", buffer_unread(&list));
        show_count(to, "size_limit", remembered.numbers[NUMBER_SIZE]);
    }
    control_flag(to, "distrusted", keyword_is_distrusted(heard, show->now_ms));
}

bool show_servers(struct show *show)
{
    const struct plan *plan = show->view.plan;
    for (int i = 0; i < plan->server_count; i++) {
        const struct plan_server *server = &plan->servers[i];
        char address[ENDPOINT_TEXT_MAX];
        struct buffer *to = show_record(show, "server");
        endpoint_print(&server->address, address);
        control_string(to, "backend", server->backend);
        control_string(to, "name", server->name);
        control_string(to, "address", address);
        say_health(show, to, server);
        say_berths(show, to, server);
        say_keywords(show, to, server);
        control_end(to);
    }
    return true;
}
