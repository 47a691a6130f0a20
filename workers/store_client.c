/* SPDX-License-Identifier: ISC */
#include "common/clock.h"
#include "common/scoreboard.h"

#include "workers/session.h"
#include "workers/store_client.h"

void store_client_begin(struct store_client *client)
{
    if (client != NULL)
        client->waited_ms = 0;
}

static bool is_configured(const struct session *s)
{
    const struct store_options *options = s->service->store;
    const struct scoreboard *board = s->setup->board;
    return options != NULL && options->directory != NULL && s->setup->store != NULL && board != NULL &&
           board->store != NULL && !s->setup->looks_only;
}

/* .. and alive by its beat. */
static bool is_there(const struct session *s)
{
    return is_configured(s) && store_is_alive(s->setup->board->store, s->service->store->deadline_ms);
}

struct store_answer store_client_ask(const struct session *s, struct store_request *request)
{
    struct store_client *client = s->setup->store;
    if (!is_there(s) || client->waited_ms >= s->service->store->deadline_ms)
        return (struct store_answer){STORE_UNSURE, 0};
    int64_t began_ms = clock_ms(), left_ms = s->service->store->deadline_ms - client->waited_ms;
    struct store_answer answer =
        store_ask(s->setup->board->store, client->fd, client->place, request, began_ms + left_ms);
    client->waited_ms += clock_ms() - began_ms;
    return answer;
}

void store_client_tell(const struct session *s, struct store_request *request)
{
    if (is_there(s))
        store_tell(s->setup->store->fd, request);
}

void store_client_learn(const struct session *s, const struct store_key *key, const struct reputation *more)
{
    struct store_request request;
    store_request_init(&request, STORE_LEARN, store_key_slice(key));
    request.good = more->good;
    request.bad = more->bad;
    store_client_tell(s, &request);
}
