/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "daemon/ctl/top_pane.h"

/* clang-format off */
const struct top_pane top_panes[TOP_PANES] = {
    [TOP_SESSIONS] = {
        "sessions", "sessions", "session", "no sessions", "id", "id", "client",
        {{"age_ms", "age"}, {"score", "score"}, {"errors", "errors"}, {"messages", "messages"}},
        {{{"client", "CLIENT", AS_IT_IS}, 0}, {{"phase", "PHASE", AS_IT_IS}, 0}, {{"age_ms", "AGE", AGE}, 0},
         {{"held", "HELD", YES_NO}, 1}, {{"score", "SCORE", AS_IT_IS}, 2}, {{"standing", "STANDING", AS_IT_IS}, 5},
         {{"errors", "ERR", AS_IT_IS}, 6}, {{"messages", "MSGS", AS_IT_IS}, 3}, {{"tls", "TLS", YES_NO}, 7},
         {{"listener", "LISTENER", AS_IT_IS}, 8}, {{"id", "SESSION", AS_IT_IS}, 4}}},
    [TOP_CLIENTS] = {
        "clients", "clients --worst", "client", "no sessions", "client", NULL, "client",
        {{NULL, "worst"}, {"sessions", "sessions"}, {"oldest_ms", "age"}, {"score", "score"}, {"errors", "errors"},
         {"messages", "messages"}},
        {{{"client", "CLIENT", AS_IT_IS}, 0}, {{"sessions", "SESSIONS", AS_IT_IS}, 0}, {{"held", "HELD", AS_IT_IS}, 1},
         {{"score", "SCORE", AS_IT_IS}, 2}, {{"standing", "STANDING", AS_IT_IS}, 3},
         {{"errors", "ERRORS", AS_IT_IS}, 4}, {{"messages", "MESSAGES", AS_IT_IS}, 5},
         {{"oldest_ms", "OLDEST", AGE}, 6}}},
    [TOP_SERVERS] = {
        "servers", "servers", "server", "no inside servers", "address", NULL, NULL,
        {{NULL, "backend"}, {"took_ms", "time of the probe"}},
        {{{"backend", "BACKEND", AS_IT_IS}, 3}, {{"name", "SERVER", AS_IT_IS}, 0},
         {{"address", "ADDRESS", AS_IT_IS}, 4}, {{"health", "HEALTH", AS_IT_IS}, 0},
         {{"trouble", "TROUBLE", AS_IT_IS}, 1}, {{"since_ms", "FOR", AGE}, 2}, {{"probed_ms", "PROBED", AGE}, 6},
         {{"took_ms", "TOOK", LATENCY}, 5}, {{"distrusted", "DISTRUSTED", YES_NO}, 7}}},
    [TOP_LIMITS] = {
        "limits", "limits", "limit", "no policy has limits", "name", NULL, NULL,
        {{NULL, "policy"}, {"hits", "hits"}},
        {{{"name", "LIMIT", AS_IT_IS}, 0}, {{"of", "OF", AS_IT_IS}, 3}, {{"per", "PER", AS_IT_IS}, 2},
         {{"rate", "RATE", AS_IT_IS}, 1}, {{"action", "ACTION", AS_IT_IS}, 4}, {{"mode", "MODE", AS_IT_IS}, 5},
         {{"hits", "HITS", AS_IT_IS}, 0}}},
    [TOP_HITS] = {
        "hits", "rates", "rate", "nobody hit a limit lately", "key", NULL, "client",
        {{NULL, "latest"}, {"times", "times"}, {"charged_ms", "charge"}},
        {{{"key", "KEY", AS_IT_IS}, 0}, {{"limit", "LIMIT", AS_IT_IS}, 0},
         {{"per", "PER", AS_IT_IS}, 4}, {{"times", "TIMES", AS_IT_IS}, 0},
         {{"last_ms", "LAST", AGE}, 1}, {{"first_ms", "FIRST", AGE}, 3}, {{"charged_ms", "CHARGED FOR", AGE}, 2}}},
};
/* clang-format on */

int top_pane_sorts(const struct top_pane *pane)
{
    int count = 0;
    while (count < TOP_SORTS_MAX && pane->sorts[count].title != NULL)
        count++;
    return count;
}

int top_pane_columns(const struct top_pane *pane)
{
    int count = 0;
    while (count < TOP_COLUMNS_MAX && pane->columns[count].column.key != NULL)
        count++;
    return count;
}
