/* SPDX-License-Identifier: ISC */
#include <limits.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/scoreboard.h"

#include "workers/inside_berth.h"

const struct reply REPLY_INSIDE_BUSY = REPLY(451, "4.3.2", "The mail server is busy, try again later");

/* A look that comes late leaves a berth empty, and one for nothing costs others the processor: whoever is next looks
 * often; who is further behind looks several times before its turn will come, as fast as it came nearer so far. */
enum { LOOK_MIN_MS = 1, LOOK_EACH_MS = 2, LOOK_MAX_MS = 100, LOOKS_BEFORE = 4 };

static bool has_berths(const struct inside *in)
{
    return in->board != NULL && in->board->berths != NULL;
}

bool inside_berth_is_bounded(const struct inside *in)
{
    return has_berths(in) && in->server->max_sessions != 0 && server_has_place(in->server);
}

bool inside_berth_is_wanted(const struct inside *in)
{
    if (in->state == INSIDE_CLOSED || !inside_berth_is_bounded(in))
        return false;
    struct berths berths = scoreboard_berths(in->board);
    return berths_count(&berths, in->server->heard_slot).waiting > 0;
}

static enum berth ask(const struct inside *in, const struct server *server, const struct server *home, int *before)
{
    struct berths berths = scoreboard_berths(in->board);
    struct berth_wish wish = {
        .place = server->heard_slot, .max = server->max_sessions, .since_ms = in->opening_ms, .home = home->heard_slot};
    struct berth_answer answer = berths_ask(&berths, &wish);
    *before = answer.before;
    return answer.berth;
}

bool inside_berth_take(struct inside *in)
{
    int before;
    if (!has_berths(in) || !server_has_place(in->server))
        return true;
    if (ask(in, in->server, in->server, &before) == BERTH_TAKEN)
        return true;
    inside_berth_leave(in);
    return false;
}

void inside_berth_leave(struct inside *in)
{
    if (!has_berths(in))
        return;
    struct berths berths = scoreboard_berths(in->board);
    berths_leave(&berths);
}

/* -- waiting -- */

struct queueing {
    int64_t began_ms;
    int at_first, before; /* so many went first in the beginning, and go first now */
};

static int64_t at_most(int64_t value, int64_t most)
{
    return value < most ? value : most;
}

static int64_t next_look_ms(const struct queueing *q)
{
    int gained = q->at_first > q->before ? q->at_first - q->before : 0;
    int64_t passed_ms = clock_ms() - q->began_ms, turns = q->before + 1;
    int64_t guess_ms = turns * passed_ms / (gained + 1) / LOOKS_BEFORE;
    int64_t next_ms = at_most(guess_ms, at_most(turns * LOOK_EACH_MS, LOOK_MAX_MS));
    return next_ms > LOOK_MIN_MS ? next_ms : LOOK_MIN_MS;
}

/* Is there a berth, at in->server then? It is seen to wait at the first of them. */
static bool look(struct inside *in, uint64_t full, struct queueing *q)
{
    const struct server *home = NULL;
    q->before = INT_MAX - 1;
    for (size_t i = 0; i < in->backend->servers.count; i++) {
        const struct server *server = block_at(&in->backend->servers, i);
        int before;
        if (!server_is_among(full, server))
            continue;
        home = home != NULL ? home : server;
        if (ask(in, server, home, &before) == BERTH_TAKEN) {
            in->server = server;
            return true;
        }
        q->before = before < q->before ? before : q->before;
    }
    must(home != NULL);
    return false;
}

/* IO_OK: there is a berth. */
static enum io wait_for_berth(struct inside *in, uint64_t full, int64_t until_ms)
{
    struct queueing q = {.began_ms = clock_ms()};
    while (!look(in, full, &q)) {
        if (clock_ms() >= until_ms)
            return IO_LATE;
        q.at_first = q.at_first > q.before ? q.at_first : q.before;
        enum io io = wait_for(in->stream.wait, -1, 0, inside_sooner(until_ms, next_look_ms(&q)));
        if (io != IO_LATE)
            return io;
    }
    return IO_OK;
}

static enum io wait_as_guest(struct inside *in, uint64_t full, int64_t until_ms)
{
    int64_t began_ms = clock_ms();
    if (in->host != NULL)
        in->host->wait_begins(in->host->context);
    enum io io = wait_for_berth(in, full, until_ms);
    if (in->host != NULL)
        in->host->wait_ends(in->host->context, clock_ms() - began_ms);
    return io;
}

enum asked inside_berth_await(struct inside *in, uint64_t full, int64_t until_ms, struct reply *reply_out)
{
    enum io io = wait_as_guest(in, full, until_ms);
    if (io == IO_OK)
        return ASKED_ANSWERED;
    inside_berth_leave(in);
    if (io == IO_ROOM) {
        in->made_room = true;
        inside_lost(in, LEVEL_DEBUG, "made room for others while all sessions there were taken", "", reply_out);
        *reply_out = *in->host->makes_room(in->host->context);
        return ASKED_LOST;
    }
    if (io != IO_LATE)
        return ASKED_GONE;
    inside_lost(in, LEVEL_WARNING, "max_sessions are there already, for all of max_sessions_wait", "", reply_out);
    *reply_out = REPLY_INSIDE_BUSY;
    return ASKED_LOST;
}
