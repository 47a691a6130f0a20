/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#include "workers/hearing.h"
#include "workers/session.h"

static void print_servers(const struct resolver *resolver, char *text, size_t size)
{
    char server[ENDPOINT_TEXT_MAX];
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; resolver != NULL && i < resolver->count && used < size; i++) {
        endpoint_print(&resolver->servers[i], server);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "", server);
    }
}

static void tell(const struct session *s, enum silence_news news)
{
    char servers[RESOLVER_SERVERS_MAX * ENDPOINT_TEXT_MAX];
    struct record r;
    bool began = news == SILENCE_BEGAN;
    print_servers(s->service->resolver, servers, sizeof(servers));
    record_begin(&r, "resolver");
    record_string(&r, "answers", began ? "no" : "yes");
    record_string(&r, "servers", servers);
    if (began)
        record_number(&r, "sessions", SILENCE_SESSIONS);
    record_send(&r, began ? LEVEL_WARNING : LEVEL_NOTICE);
}

void hearing_learn(const struct session *s)
{
    const struct scoreboard *board = s->setup->board;
    if (board == NULL || board->list_counts == NULL || (!s->lookups.answered && !s->lookups.failed))
        return;
    enum silence_news news = silence_note(&board->list_counts->silence, s->lookups.answered, clock_ms());
    if (news != SILENCE_NO_NEWS)
        tell(s, news);
}
