/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "daemon/ctl/table.h"

enum { GAP = 2 };

/* How the records of one kind are shown. */
struct layout {
    const char *kind;
    bool list; /* one line for each field, not one for each record */
    struct column columns[TABLE_COLUMNS_MAX];
};

/* clang-format off */
static const struct layout LAYOUTS[] = {
    {"posternd", true, {
        {"version", "posternd", AS_IT_IS}, {"state", "state", AS_IT_IS}, {"hostname", "host name", AS_IT_IS},
        {"pid", "process", AS_IT_IS}, {"started", "started", WHEN}, {"uptime_ms", "up for", AGE},
        {"generation", "generation", AS_IT_IS}, {"reloads", "reloads", AS_IT_IS}, {"reloaded", "reloaded", WHEN},
        {"reload_refused", "REFUSED", AS_IT_IS}, {"housekeeper", "housekeeper", AS_IT_IS},
        {"housekeeper_restarts", "its restarts", AS_IT_IS}, {"log_level", "log level", AS_IT_IS},
        {"log_level_ordered", "  by order", YES_NO}, {"sandbox", "sandbox", AS_IT_IS},
        {"landlock", "  its Landlock", AS_IT_IS}}},
    {"listener", false, {
        {"name", "LISTENER", AS_IT_IS}, {"addresses", "ADDRESSES", AS_IT_IS}, {"alive", "WORKERS", AS_IT_IS},
        {"busy", "BUSY", AS_IT_IS}, {"held", "HELD", AS_IT_IS}, {"idle", "IDLE", AS_IT_IS},
        {"starting", "STARTING", AS_IT_IS}, {"max", "MAX", AS_IT_IS}}},
    {"draining", false, {
        {"generation", "DRAINING", AS_IT_IS}, {"alive", "WORKERS", AS_IT_IS}, {"busy", "BUSY", AS_IT_IS}}},
    {"totals", true, {
        {"sessions", "sessions ended", AS_IT_IS}, {"messages", "messages delivered", AS_IT_IS},
        {"refused_messages", "messages refused", AS_IT_IS}, {"unheard", "answers unheard", AS_IT_IS},
        {"bytes_in", "received", BYTES}, {"limited", "over a limit", AS_IT_IS}, {"held_sessions", "sessions held", AS_IT_IS},
        {"held_ms", "  for together", AGE}, {"let_go", "  let go for room", AS_IT_IS},
        {"turned_away", "clients turned away", AS_IT_IS},
        {"inside_waits", "waits for inside", AS_IT_IS}, {"inside_wait_ms", "  for together", AGE},
        {"evictions", "entries evicted", AS_IT_IS}, {"damaged", "entries damaged", AS_IT_IS},
        {"given_up", "changes given up", AS_IT_IS}, {"forked", "workers made", AS_IT_IS},
        {"crashed", "workers crashed", AS_IT_IS}}},
    {"now", true, {
        {"workers", "workers", AS_IT_IS}, {"idle", "  idle", AS_IT_IS}, {"busy", "  busy", AS_IT_IS},
        {"held", "  of them held", AS_IT_IS}, {"blocked", "networks blocked", AS_IT_IS},
        {"allowed", "networks allowed", AS_IT_IS}, {"bypass", "bypass", YES_NO}}},
    {"table", false, {
        {"table", "TABLE", AS_IT_IS}, {"used", "USED", AS_IT_IS}, {"entries", "ENTRIES", AS_IT_IS}}},
    {"region", false, {
        {"region", "REGION", AS_IT_IS}, {"bytes", "SIZE", BYTES}, {"resident_bytes", "IN MEMORY", BYTES},
        {"page_table_bytes", "PAGE TABLES", BYTES}}},
    {"certificate", false, {
        {"listener", "LISTENER", AS_IT_IS}, {"file", "CERTIFICATE", AS_IT_IS}, {"not_after", "ENDS", WHEN},
        {"days_left", "DAYS", AS_IT_IS}}},
    {"bypass", true, {{"on", "CHECKS BYPASSED", YES_NO}, {"since_ms", "  for", AGE}}},
    {"listed", false, {
        {"network", "NETWORK", AS_IT_IS}, {"as", "AS", AS_IT_IS}, {"left_ms", "LEFT", AGE}, {"until", "UNTIL", WHEN},
        {"reason", "REASON", AS_IT_IS}}},
    {"file", true, {{"not_kept", "NOT KEPT", AS_IT_IS}, {"saved", "what was in the file is in", AS_IT_IS}}},
    {"forgotten", true, {
        {"key", "forgotten", AS_IT_IS}, {"limits", "limits that it had hit", AS_IT_IS},
        {"charged", "charges taken back", AS_IT_IS}}},
    {"limit", false, {
        {"name", "LIMIT", AS_IT_IS}, {"of", "OF", AS_IT_IS}, {"per", "PER", AS_IT_IS}, {"rate", "RATE", AS_IT_IS},
        {"action", "ACTION", AS_IT_IS}, {"mode", "MODE", AS_IT_IS}, {"hits", "HITS", AS_IT_IS}}},
    {"rate", false, {
        {"key", "KEY", AS_IT_IS}, {"limit", "LIMIT", AS_IT_IS}, {"per", "PER", AS_IT_IS}, {"times", "TIMES", AS_IT_IS},
        {"last_ms", "LAST", AGE}, {"first_ms", "FIRST", AGE}, {"charged_ms", "CHARGED FOR", AGE}}},
    {"list", false, {
        {"name", "LIST", AS_IT_IS}, {"zone", "ZONE", AS_IT_IS}, {"of", "OF", AS_IT_IS}, {"state", "STATE", AS_IT_IS},
        {"since_ms", "FOR", AGE}, {"trouble", "TROUBLE", AS_IT_IS}, {"tested_ms", "TESTED", AGE},
        {"asked", "ASKED", AS_IT_IS}, {"hits", "HITS", AS_IT_IS}, {"errors", "ERRORS", AS_IT_IS},
        {"failures", "FAILURES", AS_IT_IS}, {"average_ms", "AVERAGE", LATENCY}, {"most_ms", "MOST", LATENCY}}},
    {"client", false, {
        {"client", "CLIENT", AS_IT_IS}, {"sessions", "SESSIONS", AS_IT_IS}, {"held", "HELD", AS_IT_IS},
        {"score", "SCORE", AS_IT_IS}, {"errors", "ERRORS", AS_IT_IS}, {"messages", "MESSAGES", AS_IT_IS},
        {"standing", "STANDING", AS_IT_IS}, {"oldest_ms", "OLDEST", AGE}}},
    {"memory", true, {
        {"state", "memory on disk", AS_IT_IS}, {"see", "  see", AS_IT_IS}, {"records", "  records", AS_IT_IS}, {"bytes", "  size", BYTES},
        {"bytes_max", "  at most", BYTES}, {"waiting", "  changes waiting", AS_IT_IS},
        {"lost", "  changes lost", AS_IT_IS}}},
    {"grey", false, {
        {"client", "CLIENT", AS_IT_IS}, {"sender", "SENDER", AS_IT_IS}, {"recipient", "RECIPIENT", AS_IT_IS},
        {"state", "STATE", AS_IT_IS}, {"attempts", "ATTEMPTS", AS_IT_IS}, {"first", "FIRST", WHEN},
        {"last", "LAST", WHEN}, {"until", "UNTIL", WHEN}}},
    {"allowance", false, {
        {"client", "ALLOWED", AS_IT_IS}, {"by", "BY", AS_IT_IS}, {"deliveries", "DELIVERIES", AS_IT_IS},
        {"first", "FIRST", WHEN}, {"last", "LAST", WHEN}, {"until", "UNTIL", WHEN}}},
    {"deleted", true, {
        {"entries", "entries deleted", AS_IT_IS}, {"allowances", "allowances deleted", AS_IT_IS},
        {"networks", "networks forgotten", AS_IT_IS}, {"domains", "domains forgotten", AS_IT_IS},
        {"traps", "traps forgotten", AS_IT_IS}}},
    {"greylist", true, {
        {"entries", "entries", AS_IT_IS}, {"waiting", "  waiting", AS_IT_IS}, {"passed", "  passed", AS_IT_IS},
        {"over", "  over", AS_IT_IS}, {"oldest", "  the oldest", WHEN}, {"allowances", "allowances", AS_IT_IS},
        {"allowances_by_order", "  by order", AS_IT_IS}}},
    {"storekeeper", true, {
        {"state", "storekeeper", AS_IT_IS}, {"first", "attempts: first", AS_IT_IS},
        {"early", "  too early", AS_IT_IS}, {"passed", "  passed", AS_IT_IS}, {"unsure", "  unsure", AS_IT_IS},
        {"waiting", "changes waiting", AS_IT_IS}, {"lost", "  lost", AS_IT_IS}, {"commits", "commits", AS_IT_IS},
        {"longest_commit_us", "  the longest", MICROSECONDS}, {"longest_answer_us", "longest answer", MICROSECONDS},
        {"purged", "records purged", AS_IT_IS}, {"evicted", "  evicted", AS_IT_IS}}},
    {"store", true, {
        {"records", "records on disk", AS_IT_IS}, {"bytes", "  size", BYTES}, {"file_bytes", "  of the file", BYTES},
        {"bytes_max", "  at most", BYTES}}},
    {"reputation", true, {
        {"of", "reputation of", AS_IT_IS}, {"standing", "  now", AS_IT_IS}, {"good", "  good points", AS_IT_IS},
        {"bad", "  bad points", AS_IT_IS}}},
    {"remembered", false, {
        {"of", "ON DISK", AS_IT_IS}, {"standing", "STANDING", AS_IT_IS}, {"good", "GOOD", AS_IT_IS},
        {"bad", "BAD", AS_IT_IS}, {"sessions", "SESSIONS", AS_IT_IS}, {"first", "FIRST", WHEN},
        {"last", "FADING SINCE", WHEN}, {"until", "UNTIL", WHEN}}},
    {"trapped", false, {
        {"of", "IN A TRAP", AS_IT_IS}, {"times", "TIMES", AS_IT_IS}, {"first", "FIRST", WHEN}, {"last", "LAST", WHEN},
        {"until", "UNTIL", WHEN}}},
    {"sound", true, {
        {"sound", "sound", YES_NO}, {"greylist", "  attempts", AS_IT_IS}, {"allowances", "  allowances", AS_IT_IS},
        {"networks", "  networks", AS_IT_IS}, {"domains", "  domains", AS_IT_IS}, {"traps", "  traps", AS_IT_IS}}},
    {"bad", false, {{"line", "LINE", AS_IT_IS}, {"why", "LEFT OUT", AS_IT_IS}}},
    {"imported", true, {
        {"taken", "taken", AS_IT_IS}, {"kept", "as new or newer here", AS_IT_IS}, {"over", "over", AS_IT_IS},
        {"bad", "left out", AS_IT_IS}}},
    {"trace", false, {{"network", "TRACED", AS_IT_IS}, {"left_ms", "FOR", AGE}}},
    {"session", false, {
        {"id", "SESSION", AS_IT_IS}, {"age_ms", "AGE", AGE}, {"phase", "PHASE", AS_IT_IS}, {"tls", "TLS", YES_NO},
        {"messages", "MESSAGES", AS_IT_IS}, {"client", "CLIENT", AS_IT_IS}, {"port", "PORT", AS_IT_IS},
        {"held", "HELD", YES_NO}, {"score", "SCORE", AS_IT_IS}, {"errors", "ERRORS", AS_IT_IS},
        {"standing", "STANDING", AS_IT_IS}, {"listener", "LISTENER", AS_IT_IS}, {"slot", "SLOT", AS_IT_IS}, {"pid", "PID", AS_IT_IS}}},
    {"worker", false, {
        {"slot", "SLOT", AS_IT_IS}, {"pid", "PID", AS_IT_IS}, {"generation", "GENERATION", AS_IT_IS},
        {"listener", "LISTENER", AS_IT_IS}, {"state", "STATE", AS_IT_IS}, {"age_ms", "AGE", AGE},
        {"sessions", "SESSIONS", AS_IT_IS}, {"messages", "MESSAGES", AS_IT_IS},
        {"refused_messages", "REFUSED", AS_IT_IS}, {"bytes_in", "RECEIVED", BYTES}, {"session", "SERVES", AS_IT_IS}}},
    {"server", false, {
        {"backend", "BACKEND", AS_IT_IS}, {"name", "SERVER", AS_IT_IS}, {"address", "ADDRESS", AS_IT_IS},
        {"health", "HEALTH", AS_IT_IS}, {"trouble", "TROUBLE", AS_IT_IS}, {"since_ms", "FOR", AGE},
        {"probed_ms", "PROBED", AGE}, {"took_ms", "TOOK", LATENCY}, {"sessions", "SESSIONS", AS_IT_IS},
        {"max_sessions", "MAX", AS_IT_IS}, {"waiting", "WAITING", AS_IT_IS}, {"distrusted", "DISTRUSTED", YES_NO},
        {"size_limit", "SIZE", BYTES}, {"keywords", "OFFERS", AS_IT_IS}}},
    {"configuration", true, {
        {"listeners", "listeners", AS_IT_IS}, {"servers", "inside servers", AS_IT_IS},
        {"certificates", "certificates", AS_IT_IS}}},
    {"minute", false, {
        {"time", "MINUTE", AS_IT_IS}, {"sessions", "SESSIONS", AS_IT_IS}, {"messages", "MESSAGES", AS_IT_IS},
        {"refused_messages", "REFUSED", AS_IT_IS}, {"bytes_in", "RECEIVED", BYTES},
        {"held_sessions", "WERE HELD", AS_IT_IS}, {"turned_away", "TURNED AWAY", AS_IT_IS},
        {"limited", "LIMITED", AS_IT_IS}, {"let_go", "LET GO", AS_IT_IS}, {"crashed", "CRASHED", AS_IT_IS},
        {"busy", "BUSY", AS_IT_IS}, {"busy_most", "MOST", AS_IT_IS}, {"held", "HELD", AS_IT_IS},
        {"held_most", "MOST", AS_IT_IS}, {"workers", "WORKERS", AS_IT_IS}}},
    {"version", true, {{"version", "posternd", AS_IT_IS}}},
    {"upgraded", true, {
        {"from", "posternd was", AS_IT_IS}, {"to", "and is now", AS_IT_IS}, {"pid", "process", AS_IT_IS}}},
};

/* What an answer without records says. */
static const char *const DONE[CONTROL_VERBS] = {
    [CONTROL_SESSIONS] = "no sessions",
    [CONTROL_WORKERS] = "no workers",
    [CONTROL_SERVERS] = "no inside servers",
    [CONTROL_RELOAD] = "reloaded: the new configuration holds",
    [CONTROL_STOP] = "posternd takes no new connections, and ends when its sessions have; `posternctl stop` again cuts them",
    [CONTROL_KILL] = "the session has ended",
    [CONTROL_LOG] = "from now on, until the next order or start",
    [CONTROL_TRACE] = "nobody is traced",
    [CONTROL_BLOCK] = "nobody is blocked",
    [CONTROL_ALLOW] = "nobody is allowed",
    [CONTROL_FORGET] = "forgotten",
    [CONTROL_LIMITS] = "no policy has limits",
    [CONTROL_RATES] = "nobody hit a limit lately",
    [CONTROL_LISTS] = "no policy has DNS lists",
    [CONTROL_CLIENTS] = "no sessions",
    [CONTROL_GREYLIST] = "nothing is remembered that fits",
    [CONTROL_REPUTATION] = "nothing is remembered of that",
    [CONTROL_HISTORY] = "no minute was written down in that time",
};
/* clang-format on */

/* -- records of one kind */

static const struct layout *layout_of(const char *kind)
{
    for (size_t i = 0; i < sizeof(LAYOUTS) / sizeof(LAYOUTS[0]); i++)
        if (strcmp(LAYOUTS[i].kind, kind) == 0)
            return &LAYOUTS[i];
    return NULL;
}

static int wider(int a, size_t b)
{
    return (size_t)a > b ? a : (int)b;
}

/* A column that nothing stands in is left out: a posternd that knows less than we do. */
static bool is_there(const struct answer_record *records, int count, const struct column *column)
{
    for (int i = 0; i < count; i++)
        if (answer_find(&records[i], column->key) != NULL)
            return true;
    return false;
}

static int width_of(const struct answer_record *records, int count, const struct column *column)
{
    char cell[COLUMN_CELL_MAX];
    int width = (int)strlen(column->title);
    for (int i = 0; i < count; i++) {
        column_print(cell, &records[i], column);
        width = wider(width, strlen(cell));
    }
    return width;
}

/* Of pieces all, whatever stands in the first: who knows what the next one has. */
static int choose(const struct layout *layout, const struct answer_record *records, int count, bool all,
                  struct table_shown *shown)
{
    int columns = 0;
    for (int i = 0; i < TABLE_COLUMNS_MAX && layout->columns[i].key != NULL; i++) {
        const struct column *column = &layout->columns[i];
        if (all || is_there(records, count, column))
            shown[columns++] =
                (struct table_shown){column, width_of(records, count, column), column_is_numeric(&records[0], column)};
    }
    return columns;
}

static void put_cell(FILE *to, const struct table_shown *shown, const char *text, bool last)
{
    if (shown->right)
        fprintf(to, "%*s", shown->width, text);
    else if (last)
        fputs(text, to);
    else
        fprintf(to, "%-*s", shown->width, text);
    fprintf(to, "%*s", last ? 1 : GAP, last ? "\n" : "");
}

static void print_titles(FILE *to, const struct table_shown *shown, int columns)
{
    for (int i = 0; i < columns; i++)
        put_cell(to, &shown[i], shown[i].column->title, i == columns - 1);
}

static void print_rows(FILE *to, const struct table_shown *shown, int columns, const struct answer_record *records,
                       int count)
{
    char cell[COLUMN_CELL_MAX];
    for (int row = 0; row < count; row++) {
        for (int i = 0; i < columns; i++) {
            column_print(cell, &records[row], shown[i].column);
            put_cell(to, &shown[i], cell, i == columns - 1);
        }
    }
}

static void print_table(FILE *to, const struct layout *layout, const struct answer_record *records, int count)
{
    struct table_shown shown[TABLE_COLUMNS_MAX];
    int columns = choose(layout, records, count, false, shown);
    print_titles(to, shown, columns);
    print_rows(to, shown, columns, records, count);
}

static void print_list(FILE *to, const struct layout *layout, const struct answer_record *record)
{
    char cell[COLUMN_CELL_MAX];
    int width = 0;
    for (int i = 0; i < TABLE_COLUMNS_MAX && layout->columns[i].key != NULL; i++)
        width = wider(width, strlen(layout->columns[i].title));
    for (int i = 0; i < TABLE_COLUMNS_MAX && layout->columns[i].key != NULL; i++) {
        column_print(cell, record, &layout->columns[i]);
        if (cell[0] != '\0')
            fprintf(to, "%-*s  %s\n", width, layout->columns[i].title, cell);
    }
}

/* Of a newer posternd: as it came, so that nothing is hidden. */
static void print_unknown(FILE *to, const struct answer_record *record)
{
    char cell[COLUMN_CELL_MAX];
    fputs(record->kind, to);
    for (int i = 0; i < record->count; i++) {
        column_print_text(cell, record->fields[i].text, record->fields[i].size);
        fprintf(to, "  %s %s", record->fields[i].key, cell);
    }
    fputc('\n', to);
}

static void print_run(FILE *to, const struct answer_record *records, int count)
{
    const struct layout *layout = layout_of(records[0].kind);
    if (layout != NULL && !layout->list) {
        print_table(to, layout, records, count);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (layout != NULL)
            print_list(to, layout, &records[i]);
        else
            print_unknown(to, &records[i]);
    }
}

static int run_length(const struct answer *answer, int from)
{
    int count = 1;
    while (from + count < answer->count && strcmp(answer->records[from + count].kind, answer->records[from].kind) == 0)
        count++;
    return count;
}

void table_print(FILE *to, enum control_verb verb, const struct answer *answer)
{
    for (int i = 0, count; i < answer->count; i += count) {
        count = run_length(answer, i);
        if (i > 0)
            fputc('\n', to);
        print_run(to, &answer->records[i], count);
    }
    if (answer->count == 0 && answer->end == ANSWER_OK && DONE[verb] != NULL)
        fprintf(to, "%s\n", DONE[verb]);
}

/* -- in pieces */

static void print_run_of_piece(FILE *to, struct table_pieces *pieces, const struct answer_record *records, int count)
{
    const struct layout *layout = layout_of(records[0].kind);
    bool goes_on = strcmp(pieces->kind, records[0].kind) == 0;
    if (!goes_on && pieces->kind[0] != '\0')
        fputc('\n', to);
    snprintf(pieces->kind, sizeof(pieces->kind), "%s", records[0].kind);
    if (layout == NULL || layout->list) {
        print_run(to, records, count);
        return;
    }
    if (!goes_on) {
        pieces->columns = choose(layout, records, count, true, pieces->shown);
        print_titles(to, pieces->shown, pieces->columns);
    }
    print_rows(to, pieces->shown, pieces->columns, records, count);
}

void table_print_piece(FILE *to, struct table_pieces *pieces, const struct answer *answer)
{
    for (int i = 0, count; i < answer->count; i += count) {
        count = run_length(answer, i);
        print_run_of_piece(to, pieces, &answer->records[i], count);
    }
}

void table_print_end(FILE *to, enum control_verb verb, const struct table_pieces *pieces, const struct answer *answer)
{
    if (pieces->kind[0] == '\0' && answer->end == ANSWER_OK && DONE[verb] != NULL)
        fprintf(to, "%s\n", DONE[verb]);
}
