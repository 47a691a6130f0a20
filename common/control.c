/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/control.h"

/* clang-format off */
const struct control_row control_verbs[CONTROL_VERBS] = {
    [CONTROL_STATUS]   = {"status",   CONTROL_BY_CHILD,  0, 0, "",
                          "how posternd is: state, listeners, totals, certificates, what was ordered"},
    [CONTROL_SESSIONS] = {"sessions", CONTROL_BY_CHILD,  0, 0, "",
                          "the sessions under way, the longest first"},
    [CONTROL_WORKERS]  = {"workers",  CONTROL_BY_CHILD,  0, 0, "",
                          "the worker processes, by slot"},
    [CONTROL_SERVERS]  = {"servers",  CONTROL_BY_CHILD,  0, 0, "",
                          "the inside servers: health, and what they offer"},
    [CONTROL_RELOAD]   = {"reload",   CONTROL_LATER,     0, 0, "",
                          "read the configuration again; answered when it holds, or why it does not"},
    [CONTROL_UPGRADE]  = {"upgrade",  CONTROL_LATER,     0, 0, "",
                          "let the program that is installed now take the running one's place, without losing a session"},
    [CONTROL_STOP]     = {"stop",     CONTROL_BY_MASTER, 0, 0, "",
                          "take no new connections, end when the sessions have; a second one cuts them"},
    [CONTROL_CHECK]    = {"check",    CONTROL_BY_CHILD,  0, 0, "",
                          "would a reload accept the configuration? Changes nothing"},
    [CONTROL_KILL]     = {"kill",     CONTROL_BY_CHILD,  1, 1, "SESSION",
                          "end this session"},
    [CONTROL_LOG]      = {"log",      CONTROL_BY_MASTER, 1, 1, "LEVEL|configured",
                          "the log's level for all processes: error, warning, notice, info, debug"},
    [CONTROL_TRACE]    = {"trace",    CONTROL_BY_MASTER, 0, 2, "[ADDRESS|NETWORK [TIME] | off [ADDRESS|NETWORK]]",
                          "log every line of these clients' sessions for a time (10m); without argument: list"},
    [CONTROL_BLOCK]    = {"block",    CONTROL_BY_CHILD,  0, 5, "[ADDRESS|NETWORK [for TIME] [reason WORD ..]]",
                          "refuse these clients, for a time or until forget; without argument: list", true},
    [CONTROL_ALLOW]    = {"allow",    CONTROL_BY_CHILD,  0, 5, "[ADDRESS|NETWORK [for TIME] [reason WORD ..]]",
                          "no check refuses or delays these clients; without argument: list", true},
    [CONTROL_FORGET]   = {"forget",   CONTROL_BY_MASTER, 1, 1, "ADDRESS|NETWORK",
                          "neither blocked nor allowed any more"},
    [CONTROL_BYPASS]   = {"bypass",   CONTROL_BY_MASTER, 0, 1, "[on|off]",
                          "on: what checks find is only watched, at once and everywhere; without argument: show"},
    [CONTROL_LIMITS]   = {"limits",   CONTROL_BY_CHILD,  0, 0, "",
                          "the limits of all policies, and how often each was hit"},
    [CONTROL_RATES]    = {"rates",    CONTROL_BY_CHILD,  0, 2, "[[list] [KEY] | forget KEY]",
                          "who hit a limit lately; forget: what is charged to this key is not any more", true},
    [CONTROL_LISTS]    = {"lists",    CONTROL_BY_CHILD,  0, 0, "",
                          "the DNS lists of all policies: are they well, and what came of asking them"},
    [CONTROL_CLIENTS]  = {"clients",  CONTROL_BY_CHILD,  0, 1, "[--worst]",
                          "the clients with sessions under way, those with most of them first, or the worst"},
    [CONTROL_STATS]    = {"stats",    CONTROL_BY_CHILD,  0, 0, "",
                          "totals since the start, and what the scoreboard holds and costs"},
    [CONTROL_HISTORY]  = {"history",  CONTROL_BY_CHILD,  0, 1, "[MINUTES]",
                          "what each of the last minutes was like, a day at most (60), the oldest first"},
    [CONTROL_METRICS]  = {"metrics",  CONTROL_BY_CHILD,  0, 0, "",
                          "what can be counted or measured, as Prometheus reads it"},
    [CONTROL_EXPLAIN]  = {"explain",  CONTROL_BY_CHILD,  1, 8,
                          "ADDRESS [helo=NAME] [from=SENDER] [to=RECIPIENT] [login=NAME] [name=HOST] [listener=NAME] "
                          "[mode=enforce]",
                          "what each check would ask, hear and say of this client, and what would be done; nobody is charged"},
    [CONTROL_GREYLIST] = {"greylist", CONTROL_BY_CHILD,  1, 4,
                          "list [TEXT] | add CLIENT [SENDER [RECIPIENT]] | delete CLIENT [SENDER [RECIPIENT]] | stats",
                          "what the greylist remembers; who need not wait; what is to be forgotten", .lasts = true},
    [CONTROL_REPUTATION] = {"reputation", CONTROL_BY_CHILD, 1, 2, "[forget] ADDRESS|NETWORK|DOMAIN",
                          "what is remembered of this network or sender's domain, now and on disk; forget: nothing any more",
                          .lasts = true},
    [CONTROL_STORE]    = {"store",    CONTROL_BY_CHILD,  1, 1, "check | export | import",
                          "the memory on disk: is it sound, all of it as lines of text, such lines taken in",
                          .lasts = true},
    [CONTROL_VERSION]  = {"version",  CONTROL_BY_MASTER, 0, 0, "",
                          "posternd's version"},
};
/* clang-format on */

bool control_find(struct slice name, enum control_verb *verb_out)
{
    for (int i = 0; i < CONTROL_VERBS; i++) {
        if (slice_equal(name, slice_of(control_verbs[i].name))) {
            *verb_out = (enum control_verb)i;
            return true;
        }
    }
    return false;
}

static bool is_printable(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.at[i] < ' ' || line.at[i] > '~')
            return false;
    return true;
}

/* NULL, or what is wrong. */
static const char *take_arguments(struct slice rest, struct control_request *out)
{
    const struct control_row *row = &control_verbs[out->verb];
    for (rest = slice_trim(rest); rest.size > 0; rest = slice_trim(rest)) {
        if (out->count == row->arguments_most)
            return "too many arguments";
        bool last = row->free_end && out->count + 1 == row->arguments_most;
        out->arguments[out->count++] = last ? rest : slice_take_word(&rest);
        if (last)
            break;
    }
    return out->count < row->arguments_least ? "an argument is missing" : NULL;
}

static const char *parse(struct slice line, struct control_request *out)
{
    if (line.size >= CONTROL_LINE_MAX)
        return "the request is too long";
    if (!is_printable(line))
        return "the request is not printable ASCII";
    struct slice verb = slice_take_word(&line);
    if (verb.size == 0)
        return "the request is empty";
    if (!control_find(verb, &out->verb))
        return "there is no such verb";
    return take_arguments(line, out);
}

bool control_parse(struct slice line, struct control_request *out, const char **why_out)
{
    *out = (struct control_request){0};
    *why_out = parse(line, out);
    return *why_out == NULL;
}

/* -- arguments */

static const char *const LEVELS[] = {
    [LEVEL_ERROR] = "error", [LEVEL_WARNING] = "warning", [LEVEL_NOTICE] = "notice",
    [LEVEL_INFO] = "info",   [LEVEL_DEBUG] = "debug",
};

const char *control_level_name(enum level level)
{
    return LEVELS[level];
}

bool control_parse_level(struct slice word, bool *configured_out, enum level *level_out)
{
    *configured_out = slice_equal(word, slice_of("configured"));
    *level_out = LEVEL_INFO;
    for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++) {
        if (slice_equal(word, slice_of(LEVELS[i]))) {
            *level_out = (enum level)i;
            return true;
        }
    }
    return *configured_out;
}

static uint64_t unit_ms(char unit)
{
    static const char units[] = "smhd";
    static const uint64_t ms[] = {1000, 60000, 3600000, 86400000};
    const char *found = unit != '\0' ? strchr(units, unit) : NULL;
    return found != NULL ? ms[found - units] : 0;
}

bool control_parse_duration(struct slice word, int64_t most_ms, int64_t *ms_out)
{
    uint64_t number;
    if (word.size < 2)
        return false;
    uint64_t unit = unit_ms(word.at[word.size - 1]);
    if (unit == 0 || !slice_to_number(slice_make(word.at, word.size - 1), &number) || number == 0 ||
        number > (uint64_t)most_ms / unit)
        return false;
    *ms_out = (int64_t)(number * unit);
    return true;
}

struct slice control_words_from(const struct control_request *request, int first)
{
    if (first >= request->count)
        return slice_make("", 0);
    struct slice from = request->arguments[first], last = request->arguments[request->count - 1];
    return slice_make(from.at, (size_t)(last.at + last.size - from.at));
}
