/* SPDX-License-Identifier: ISC
 *
 * The answer to `metrics`: a family (name, type, help), then its samples, a value and labels each; value_ms is seconds
 * to who prints it. A family is said once; no two of its samples have the same labels.
 */
#include <stddef.h>
#include <string.h>

#include "common/version.h"

#include "daemon/show_internal.h"

enum { US_PER_MS = 1000 };

static const char COUNTER[] = "counter", GAUGE[] = "gauge";

static void say_family(struct show *show, const char *name, const char *type, const char *help)
{
    struct buffer *to = show_record(show, "family");
    control_string(to, "name", name);
    control_string(to, "type", type);
    control_string(to, "help", help);
    control_end(to);
}

/* Its labels are texts that the caller adds, and ends it. */
static struct buffer *begin_sample(struct show *show, const char *name, uint64_t value)
{
    struct buffer *to = show_record(show, "sample");
    control_string(to, "name", name);
    show_count(to, "value", value);
    return to;
}

static void say_labelled(struct show *show, const char *name, uint64_t value, const char *label, const char *text)
{
    struct buffer *to = begin_sample(show, name, value);
    control_string(to, label, text);
    control_end(to);
}

static void say_one(struct show *show, const char *name, const char *type, const char *help, uint64_t value)
{
    say_family(show, name, type, help);
    control_end(begin_sample(show, name, value));
}

/* -- the master */

static uint64_t draining_workers(const struct show *show)
{
    uint64_t workers = 0;
    for (int i = 1; i < show->view.generation_count; i++)
        workers += (uint64_t)show_tally_of(show, show->view.generations[i]->number, -1).alive;
    return workers;
}

static void say_master(struct show *show)
{
    const struct control_view *view = &show->view;
    bool serves = strcmp(view->state, "serving") == 0 || strcmp(view->state, "reloading") == 0 ||
                  strcmp(view->state, "upgrading") == 0;
    say_family(show, "postern_build_info", GAUGE, "Always 1; the version is a label.");
    say_labelled(show, "postern_build_info", 1, "version", postern_version);
    say_one(show, "postern_start_time_seconds", GAUGE, "When the master started, in seconds since 1970.",
            (uint64_t)view->started_wall); /* the same in each answer: not from the clocks of now */
    say_one(show, "postern_stopping", GAUGE, "1: no new connections are taken, it ends when the sessions have.",
            !serves);
    say_one(show, "postern_generation", GAUGE, "The generation of workers that takes connections.",
            view->generation_count > 0 ? view->generations[0]->number : 0);
    say_one(show, "postern_reloads_total", COUNTER, "Reloads that were accepted.", (uint64_t)view->reloads);
    say_one(show, "postern_reload_refused", GAUGE, "1: the last reload was refused, the configuration before it holds.",
            view->last_refusal != NULL);
    say_one(show, "postern_bypass", GAUGE, "1: checks refuse and delay nobody, by order.", view->bypass->on);
    say_one(show, "postern_housekeeper_up", GAUGE, "1: there is a housekeeper.", view->housekeeper != 0);
    say_one(show, "postern_housekeeper_restarts_total", COUNTER, "Housekeepers that crashed and were replaced.",
            (uint64_t)view->housekeeper_restarts);
    say_family(show, "postern_listed_networks", GAUGE, "Networks that an administrator listed.");
    say_labelled(show, "postern_listed_networks", (uint64_t)show_count_listed(show, LISTED_BLOCKED), "as", "blocked");
    say_labelled(show, "postern_listed_networks", (uint64_t)show_count_listed(show, LISTED_ALLOWED), "as", "allowed");
}

/* -- workers, by listener */

static void say_state(struct show *show, const char *listener, const char *state, int count)
{
    struct buffer *to = begin_sample(show, "postern_workers", (uint64_t)count);
    control_string(to, "listener", listener);
    control_string(to, "state", state);
    control_end(to);
}

static void say_states(struct show *show, const struct generation *generation)
{
    say_family(show, "postern_workers", GAUGE, "Workers that take connections, by what they do.");
    for (int i = 0; i < generation->count; i++) {
        const char *listener = generation->crews[i].plan->name;
        struct show_tally tally = show_tally_of(show, generation->number, i);
        say_state(show, listener, "idle", tally.idle);
        say_state(show, listener, "busy", tally.busy);
        say_state(show, listener, "starting", tally.starting);
    }
}

static void say_workers(struct show *show)
{
    const struct generation *generation = show->view.generations[0];
    say_states(show, generation);
    say_family(show, "postern_workers_held", GAUGE, "Busy workers whose session is held in the tarpit.");
    for (int i = 0; i < generation->count; i++)
        say_labelled(show, "postern_workers_held", (uint64_t)show_tally_of(show, generation->number, i).held,
                     "listener", generation->crews[i].plan->name);
    say_family(show, "postern_workers_max", GAUGE, "max_workers of the listener.");
    for (int i = 0; i < generation->count; i++)
        say_labelled(show, "postern_workers_max", (uint64_t)generation->crews[i].plan->pool->max_workers, "listener",
                     generation->crews[i].plan->name);
    say_one(show, "postern_workers_draining", GAUGE, "Workers of earlier configurations, whose sessions go on.",
            draining_workers(show));
    say_one(show, "postern_workers_forked_total", COUNTER, "Workers that were made.", show->view.house->forked);
}

/* -- totals */

struct total {
    const char *name, *help;
    size_t offset; /* in struct totals */
    bool is_ms;
};

#define TOTAL(field) offsetof(struct totals, field)

static const struct total TOTALS[] = {
    {"postern_workers_crashed_total", "Workers that crashed.", TOTAL(crashed)},
    {"postern_sessions_total", "Sessions that have ended.", TOTAL(sessions)},
    {"postern_messages_delivered_total", "Messages that the inside server took.", TOTAL(messages)},
    {"postern_messages_refused_total", "Messages that were refused, by the inside server or before it.",
     TOTAL(refused_messages)},
    {"postern_answers_unheard_total", "Answers to a message that the client did not hear any more.", TOTAL(unheard)},
    {"postern_received_bytes_total", "Octets from clients, in sessions that have ended.", TOTAL(bytes_in)},
    {"postern_sessions_held_total", "Sessions that were held in the tarpit.", TOTAL(held_sessions)},
    {"postern_held_seconds_total", "How long they were held, together.", TOTAL(held_ms), true},
    {"postern_sessions_let_go_total", "Sessions that ended to make room for others.", TOTAL(let_go)},
    {"postern_turned_away_total", "Clients for whom there was no room.", TOTAL(turned_away)},
    {"postern_inside_waits_total", "Waits of sessions for others to leave an inside server.", TOTAL(inside_waits)},
    {"postern_inside_wait_seconds_total", "How long that was, together.", TOTAL(inside_wait_ms), true},
    {"postern_limited_total", "Verdicts of limits, but those that were only watched.", TOTAL(limited)},
    {"postern_table_evictions_total", "Entries that made room in a full table.", TOTAL(evictions)},
    {"postern_table_damaged_total", "Entries that were found damaged and reset.", TOTAL(damaged)},
    {"postern_table_given_up_total", "Changes of tables that were given up.", TOTAL(given_up)},
};

static uint64_t total_at(const struct totals *totals, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)totals + offset, sizeof(value));
    return value;
}

static void say_ms(struct show *show, const char *name, uint64_t ms)
{
    struct buffer *to = show_record(show, "sample");
    control_string(to, "name", name);
    show_count(to, "value_ms", ms);
    control_end(to);
}

static void say_totals(struct show *show)
{
    struct totals totals = show_totals(show);
    for (size_t i = 0; i < sizeof(TOTALS) / sizeof(TOTALS[0]); i++) {
        const struct total *total = &TOTALS[i];
        uint64_t value = total_at(&totals, total->offset);
        if (!total->is_ms) {
            say_one(show, total->name, COUNTER, total->help, value);
            continue;
        }
        say_family(show, total->name, COUNTER, total->help);
        say_ms(show, total->name, value);
    }
    say_one(show, "postern_log_dropped_lines_total", COUNTER, "Lines that the log did not take in time.",
            totals.log_dropped + show->view.log_dropped);
}

/* -- limits */

/* Names that were cut may be the same: their hits are, too. */
static bool was_said(const struct plan *plan, int limit)
{
    for (int i = 0; i < limit; i++)
        if (strcmp(plan->limits[i].name, plan->limits[limit].name) == 0)
            return true;
    return false;
}

static void say_limits(struct show *show)
{
    const struct plan *plan = show->view.plan;
    const struct scoreboard *board = &show->view.house->board;
    if (plan->limit_count > 0)
        say_family(show, "postern_limit_hits_total", COUNTER, "How often a limit was hit, over all keys.");
    for (int i = 0; i < plan->limit_count; i++) {
        const struct plan_limit *limit = &plan->limits[i];
        uint64_t hash = scoreboard_hash(board, slice_of(limit->name), slice_make("", 0));
        if (was_said(plan, i))
            continue;
        struct buffer *to = begin_sample(show, "postern_limit_hits_total", hits_tally(board->hits, hash));
        control_string(to, "limit", limit->name);
        control_string(to, "mode", limit->mode);
        control_end(to);
    }
}

/* -- DNS lists: counted by name, whatever policies and zones it stands for */

static bool list_was_said(const struct plan *plan, int list)
{
    for (int i = 0; i < list; i++)
        if (plan->lists[i].count_hash == plan->lists[list].count_hash)
            return true;
    return false;
}

/* 1 before the first test, and where there is none: it is asked. */
static uint64_t list_is_up(const struct show *show, const struct plan_list *list)
{
    const struct plan *plan = show->view.plan;
    const struct dnslist_tests *tests = show->view.house->board.list_tests;
    for (int i = 0; i < plan->list_count; i++)
        if (plan->lists[i].count_hash == list->count_hash && plan->lists[i].is_tested &&
            dnslist_read(tests, plan->lists[i].test_hash).state == DNSLIST_BROKEN)
            return 0;
    return 1;
}

enum of_list { LIST_UP, LIST_ASKED, LIST_HITS, LIST_ERRORS, LIST_FAILURES, LIST_SECONDS, OF_LIST };

static void say_list(struct show *show, const struct plan_list *list, const char *name, enum of_list what)
{
    const struct dnslist_tally tally = dnslist_tally_of(show->view.house->board.list_counts, list->count_hash);
    const uint64_t values[OF_LIST] = {
        [LIST_UP] = list_is_up(show, list), [LIST_ASKED] = tally.asked,       [LIST_HITS] = tally.hits,
        [LIST_ERRORS] = tally.errors,       [LIST_FAILURES] = tally.failures, [LIST_SECONDS] = tally.took_ms,
    };
    struct buffer *to = show_record(show, "sample");
    control_string(to, "name", name);
    show_count(to, what == LIST_SECONDS ? "value_ms" : "value", values[what]);
    control_string(to, "list", list->name);
    control_end(to);
}

static void say_lists(struct show *show)
{
    static const struct {
        const char *name, *type, *help;
    } families[OF_LIST] = {
        [LIST_UP] = {"postern_dnsbl_up", GAUGE, "0: the DNS list failed its self-test, and is not asked."},
        [LIST_ASKED] = {"postern_dnsbl_asked_total", COUNTER, "Questions to a DNS list."},
        [LIST_HITS] = {"postern_dnsbl_hits_total", COUNTER, "Answers that list whom it was asked about."},
        [LIST_ERRORS] = {"postern_dnsbl_errors_total", COUNTER, "Answers that are errors, which never count."},
        [LIST_FAILURES] = {"postern_dnsbl_failures_total", COUNTER, "Questions without an answer in time."},
        [LIST_SECONDS] = {"postern_dnsbl_seconds_total", COUNTER, "How long its answers took, together."},
    };
    const struct plan *plan = show->view.plan;
    say_one(show, "postern_resolver_up", GAUGE, "0: several sessions in a row had no answer from the name servers.",
            !silence_is_told(&show->view.house->board.list_counts->silence));
    for (int what = LIST_UP; what < OF_LIST && plan->list_count > 0; what++) {
        say_family(show, families[what].name, families[what].type, families[what].help);
        for (int i = 0; i < plan->list_count; i++)
            if (!list_was_said(plan, i))
                say_list(show, &plan->lists[i], families[what].name, (enum of_list)what);
    }
}

/* -- inside servers: those that were asked */

enum of_server { UP, FAILURES, TOOK };

static void say_server(struct show *show, const struct plan_server *server, const char *name, enum of_server what)
{
    char address[ENDPOINT_TEXT_MAX];
    struct health_facts facts = {0};
    if (server->slot >= 0 && server->slot < SCOREBOARD_SERVERS_MAX)
        facts = health_read(&show->view.house->board.health[server->slot]);
    if (facts.state == HEALTH_UNKNOWN)
        return;
    struct buffer *to = show_record(show, "sample");
    endpoint_print(&server->address, address);
    control_string(to, "name", name);
    if (what == UP)
        show_count(to, "value", facts.state == HEALTH_UP);
    else if (what == FAILURES)
        show_count(to, "value", facts.failures);
    else
        show_count(to, "value_ms", facts.took_ms);
    control_string(to, "backend", server->backend);
    control_string(to, "server", server->name);
    control_string(to, "address", address);
    control_end(to);
}

static void say_servers(struct show *show)
{
    static const struct {
        const char *name, *help;
    } families[] = {
        [UP] = {"postern_server_up", "1: the inside server answers probes; 0: two in a row went wrong."},
        [FAILURES] = {"postern_server_probe_failures", "Probes in a row that went wrong."},
        [TOOK] = {"postern_server_probe_seconds", "How long the last probe took."},
    };
    const struct plan *plan = show->view.plan;
    for (int what = UP; what <= (int)TOOK && plan->server_count > 0; what++) {
        say_family(show, families[what].name, GAUGE, families[what].help);
        for (int i = 0; i < plan->server_count; i++)
            say_server(show, &plan->servers[i], families[what].name, (enum of_server)what);
    }
}

static void say_certificates(struct show *show)
{
    static const char name[] = "postern_certificate_expiry_seconds";
    const struct plan *plan = show->view.plan;
    if (plan->certificate_count > 0)
        say_family(show, name, GAUGE,
                   "When the certificate of the listener that ends first ends, in seconds since 1970.");
    for (int i = 0; i < plan->certificate_count; i++) {
        struct buffer *to = begin_sample(show, name, (uint64_t)plan->certificates[i].not_after);
        control_string(to, "listener", plan->certificates[i].listener);
        control_string(to, "file", plan->certificates[i].file);
        control_end(to);
    }
}

/* -- tables */

static void say_tables(struct show *show)
{
    const struct scoreboard *board = &show->view.house->board;
    say_family(show, "postern_table_entries", GAUGE, "Entries that a table has room for.");
    say_labelled(show, "postern_table_entries", board->rates.line_count * TABLE_WAYS, "table", "rates");
    say_labelled(show, "postern_table_entries", board->reputations.line_count * TABLE_WAYS, "table", "reputations");
    say_family(show, "postern_table_used_entries", GAUGE, "Entries that are in it.");
    say_labelled(show, "postern_table_used_entries", table_used(&board->rates), "table", "rates");
    say_labelled(show, "postern_table_used_entries", table_used(&board->reputations), "table", "reputations");
    say_family(show, "postern_table_bytes", GAUGE, "The memory of a table that is full.");
    say_labelled(show, "postern_table_bytes", scoreboard_cost(board, REGION_RATES).bytes, "table", "rates");
    say_labelled(show, "postern_table_bytes", scoreboard_cost(board, REGION_REPUTATIONS).bytes, "table", "reputations");
}

/* -- the memory on disk */

static void say_us(struct show *show, const char *name, const char *help, uint64_t us)
{
    say_family(show, name, GAUGE, help);
    say_ms(show, name, (us + US_PER_MS - 1) / US_PER_MS);
}

static void say_attempts(struct show *show, const struct show_store *store)
{
    static const struct {
        enum store_outcome outcome;
        const char *name;
    } outcomes[] = {{STORE_PASS, "pass"}, {STORE_FIRST, "first"}, {STORE_EARLY, "early"}, {STORE_UNSURE, "unsure"}};
    static const char name[] = "postern_store_attempts_total";
    say_family(show, name, COUNTER, "Attempts that the greylist was asked about, by its answer.");
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
        say_labelled(show, name, store->attempts[outcomes[i].outcome], "answer", outcomes[i].name);
}

static void say_store(struct show *show)
{
    const struct show_store store = show_read_store(show);
    if (!store.is_configured)
        return;
    say_one(show, "postern_store_up", GAUGE, "1: the memory on disk answers, and what it is told is written.",
            store.is_working);
    say_one(show, "postern_store_records", GAUGE, "Records on disk.", store.records);
    say_one(show, "postern_store_bytes", GAUGE, "What they take of its file.", store.bytes);
    say_one(show, "postern_store_max_bytes", GAUGE, "How large the file may become.", store.bytes_max);
    say_one(show, "postern_store_waiting_changes", GAUGE, "Changes that are not on disk yet.", store.waiting);
    say_one(show, "postern_store_commits_total", COUNTER, "Times that changes were written together.", store.commits);
    say_us(show, "postern_store_longest_commit_seconds", "How long the slowest of them took.", store.longest_commit_us);
    say_us(show, "postern_store_longest_answer_seconds",
           "How long the slowest answer took, from when its question was read; it may have waited before.",
           store.longest_answer_us);
    say_attempts(show, &store);
    say_one(show, "postern_store_purged_total", COUNTER, "Records that were over, and removed.", store.purged);
    say_one(show, "postern_store_evicted_total", COUNTER, "Records that had to make room.", store.evicted);
    say_one(show, "postern_store_lost_changes_total", COUNTER, "Changes that were never written.", store.lost);
}

bool show_metrics(struct show *show)
{
    say_master(show);
    if (show->view.generation_count > 0)
        say_workers(show);
    say_totals(show);
    say_limits(show);
    say_lists(show);
    say_servers(show);
    say_certificates(show);
    say_tables(show);
    say_store(show);
    return true;
}
