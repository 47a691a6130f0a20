/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/version.h"

#include "daemon/deed_internal.h"
#include "daemon/spawn.h"

void deed_ok(struct buffer *answer)
{
    control_begin(answer, "ok");
    control_end(answer);
}

void deed_error(struct buffer *answer, const char *why, const char *try)
{
    control_begin(answer, "error");
    control_string(answer, "why", why);
    control_string(answer, "try", try);
    control_end(answer);
}

bool deed_refuse(struct deed *deed, const char *why, const char *try)
{
    deed_error(deed->answer, why, try);
    return false;
}

static bool say_version(struct deed *deed)
{
    control_begin(deed->answer, "version");
    control_string(deed->answer, "version", postern_version);
    control_end(deed->answer);
    return true;
}

static bool set_level(struct deed *deed)
{
    bool configured;
    enum level level;
    if (!control_parse_level(deed->request->arguments[0], &configured, &level))
        return deed_refuse(deed, "that is no level of the log",
                           "one of error, warning, notice, info, debug; or configured, for the configuration's");
    orders_set_log_level(deed->view->house->board.orders, configured, level);
    deed->changed = true;
    return true;
}

static bool is_there(const struct scoreboard *board, int slot, struct slice id)
{
    struct slot_facts facts;
    return slot_read(board, slot, &facts) && facts.state == SLOT_BUSY && slice_equal(slice_of(facts.session_id), id);
}

/* What the slot says decides the words of the answer alone: the order is given anyway. It names a session that may have
 * ended since, and then nobody is hit. */
static bool kill_session(struct deed *deed)
{
    struct house *house = deed->view->house;
    struct slice id = deed->request->arguments[0];
    uint64_t number;
    int slot;
    if (!session_id_parse(id, &number, &slot) || number == 0)
        return deed_refuse(deed, "that is no id of a session", "posternctl sessions");
    pid_t pid = slot < house->roster.size ? house->roster.entries[slot].pid : 0;
    if (pid == 0)
        return deed_refuse(deed, "no such session", "posternctl sessions");
    deed->changed = is_there(&house->board, slot, id);
    orders_kill(house->board.orders, slot, number);
    kill(pid, SPAWN_KILL_SIGNAL);
    return deed->changed || deed_refuse(deed, "no such session", "posternctl sessions");
}

/* -- trace */

static void print_network(struct buffer *to, const struct network *network)
{
    char text[NETWORK_TEXT_MAX];
    network_print(network, text);
    control_string(to, "network", text);
}

void deed_list_traces(struct buffer *to, const struct orders *orders)
{
    struct orders_trace traces[ORDERS_TRACES_MAX];
    int64_t now_ms = clock_ms();
    int count = orders_list_traces(orders, traces, now_ms);
    for (int i = 0; i < count; i++) {
        control_begin(to, "trace");
        print_network(to, &traces[i].network);
        control_number(to, "left_ms", traces[i].until_ms - now_ms);
        control_end(to);
    }
}

static bool parse_network(struct deed *deed, int argument, struct network *out)
{
    if (network_parse(deed->request->arguments[argument], out))
        return true;
    return deed_refuse(deed, "that is no address and no network", "192.0.2.7, 192.0.2.0/24 or 2001:db8::/32");
}

static bool stop_traces(struct deed *deed)
{
    struct orders *orders = deed->view->house->board.orders;
    struct network network;
    bool all = deed->request->count == 1;
    if (!all && !parse_network(deed, 1, &network))
        return false;
    if (orders_drop_traces(orders, all ? NULL : &network) == 0 && !all)
        return deed_refuse(deed, "nothing is traced there", "posternctl trace");
    deed->changed = true;
    return true;
}

/* Those whose time is over give their place back; nobody else does it for them. */
static void forget_old_traces(struct orders *orders, int64_t now_ms)
{
    for (int i = 0; i < ORDERS_TRACES_MAX; i++) {
        struct orders_trace trace = orders->traces[i]; /* the master's own writing */
        if (trace.until_ms != 0 && trace.until_ms <= now_ms)
            orders_drop_traces(orders, &trace.network);
    }
}

static bool trace(struct deed *deed)
{
    const struct control_request *request = deed->request;
    struct orders *orders = deed->view->house->board.orders;
    struct network network;
    int64_t ms = CONTROL_TRACE_DEFAULT_MS, now_ms = clock_ms();
    if (request->count > 0 && slice_equal(request->arguments[0], slice_of("off"))) {
        if (!stop_traces(deed))
            return false;
    } else if (request->count > 0) {
        if (!parse_network(deed, 0, &network))
            return false;
        if (request->count > 1 && !control_parse_duration(request->arguments[1], CONTROL_TRACE_MAX_MS, &ms))
            return deed_refuse(deed, "that is no time from 1s to 1d", "30s, 10m or 2h");
        forget_old_traces(orders, now_ms);
        if (!orders_add_trace(orders, &network, now_ms + ms))
            return deed_refuse(deed, "as many traces as are possible are there", "posternctl trace off");
        deed->changed = true;
    }
    deed_list_traces(deed->answer, orders);
    return true;
}

/* -- bypass */

static bool bypass(struct deed *deed)
{
    const struct control_view *view = deed->view;
    int64_t now_ms = clock_ms();
    if (deed->request->count > 0) {
        bool on = slice_equal(deed->request->arguments[0], slice_of("on"));
        if (!on && !slice_equal(deed->request->arguments[0], slice_of("off")))
            return deed_refuse(deed, "that is neither on nor off", "posternctl bypass on");
        deed->changed = bypass_set(view->bypass, view->house->board.orders, on, now_ms);
    }
    control_begin(deed->answer, "bypass");
    control_flag(deed->answer, "on", view->bypass->on);
    if (view->bypass->on)
        control_number(deed->answer, "since_ms", now_ms - view->bypass->since_ms);
    control_end(deed->answer);
    return true;
}

/* -- rates */

/* The hashes are a worker's word: what a wrong one takes away is another entry of the same table, which a worker could
 * have taken away itself. */
static void forget_rates(const struct scoreboard *board, const char *key, int *rows_out, int *entries_out)
{
    uint64_t hashes[HITS_ROWS];
    *rows_out = hits_forget(board->hits, key, hashes);
    *entries_out = 0;
    for (int i = 0; i < *rows_out; i++)
        *entries_out += hashes[i] != 0 && table_forget(&board->rates, hashes[i]);
}

/* Everything but forget is a listing, for a child. */
static bool rates(struct deed *deed)
{
    const struct control_request *request = deed->request;
    char key[HIT_KEY_MAX];
    int rows, entries;
    bool forget = request->count > 0 && slice_equal(request->arguments[0], slice_of("forget"));
    if (!forget)
        return request->count < 2 || slice_equal(request->arguments[0], slice_of("list")) ||
               deed_refuse(deed, "that is neither list nor forget", "posternctl rates forget 192.0.2.7");
    if (request->count < 2 || request->arguments[1].size >= sizeof(key))
        return deed_refuse(deed, "forget which key?", "posternctl rates");
    snprintf(key, sizeof(key), "%.*s", SLICE_ARGS(request->arguments[1]));
    forget_rates(&deed->view->house->board, key, &rows, &entries);
    if (rows == 0)
        return deed_refuse(deed, "no such key has hit a limit lately", "posternctl rates");
    deed->changed = true;
    control_begin(deed->answer, "forgotten");
    control_string(deed->answer, "key", key);
    control_number(deed->answer, "limits", rows);
    control_number(deed->answer, "charged", entries);
    control_end(deed->answer);
    return true;
}

/* -- the memory on disk: a child answers and changes it. Here it is known what would change something, for the log, and
 * what is no use asking. */

struct order {
    const char *word;
    int most; /* words, itself included */
    bool changes;
};

static const struct order GREYLIST[] = {
    {"list", 2, false}, {"add", 4, true}, {"delete", 4, true}, {"stats", 1, false}, {0}};
static const struct order STORE[] = {{"check", 1, false}, {"export", 1, false}, {"import", 1, true}, {0}};

static bool give_order(struct deed *deed, const struct order *order, const char *try)
{
    const struct control_request *request = deed->request;
    while (order->word != NULL && !slice_equal(request->arguments[0], slice_of(order->word)))
        order++;
    if (order->word == NULL)
        return deed_refuse(deed, "that is none of what can be done here", try);
    if (request->count > order->most)
        return deed_refuse(deed, "too many arguments", try);
    if (!plan_has_store(deed->view->plan))
        return deed_refuse(deed, "no store is configured",
                           "set store { directory = /var/lib/postern/memory } in postern.conf, then restart posternd");
    deed->changed = order->changes;
    return true;
}

static bool greylist(struct deed *deed)
{
    return give_order(deed, GREYLIST, "list [TEXT], add CLIENT, delete CLIENT or stats");
}

/* What is known now is told without a store, too. */
static bool reputation(struct deed *deed)
{
    static const struct order FORGET[] = {{"forget", 2, true}, {0}};
    bool tells = deed->request->count == 1;
    return tells || give_order(deed, FORGET, "192.0.2.7, 192.0.2.0/24 or example.com; forget before it");
}

static bool store(struct deed *deed)
{
    return give_order(deed, STORE, "check, export or import");
}

static deed_function *const DEEDS[CONTROL_VERBS] = {
    [CONTROL_KILL] = kill_session, [CONTROL_LOG] = set_level,         [CONTROL_TRACE] = trace,
    [CONTROL_BLOCK] = deed_block,  [CONTROL_ALLOW] = deed_allow,      [CONTROL_FORGET] = deed_forget,
    [CONTROL_GREYLIST] = greylist, [CONTROL_REPUTATION] = reputation, [CONTROL_STORE] = store,
    [CONTROL_BYPASS] = bypass,     [CONTROL_RATES] = rates,           [CONTROL_VERSION] = say_version,
};

bool deed_do(struct deed *deed)
{
    deed_function *function = DEEDS[deed->request->verb];
    return function == NULL || function(deed);
}
