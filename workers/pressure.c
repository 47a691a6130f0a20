/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/log.h"

#include "workers/pressure.h"
#include "workers/stress.h"

const struct reply REPLY_BUSY = REPLY(421, "4.3.2", "Busy, try again later");

static bool put(const struct session_setup *setup)
{
    if (write(setup->pressure_write, "", 1) == 1)
        return true;
    log_line(LEVEL_DEBUG, "the pressure pipe took no octet: %s", strerrorname_np(errno));
    return false;
}

static bool take(const struct session_setup *setup)
{
    char octet;
    return read(setup->pressure_read, &octet, 1) == 1;
}

/* Every write wakes one, so there is but one octet in each; what lies there wakes nobody any more (measured: a read
 * that leaves something wakes the next of the queue only sometimes). So one that is enough already is taken out and
 * written anew. */
int pressure_ask(const struct session_setup *setup, int missing)
{
    int unread = 0;
    if (missing <= 0 || setup->pressure_write < 0 || ioctl(setup->pressure_read, FIONREAD, &unread) != 0)
        return 0;
    while (unread >= missing && take(setup))
        unread--;
    return put(setup) ? unread + 1 : unread;
}

bool pressure_may_ask(const struct session *s)
{
    return s->setup->pressure_read >= 0 && !session_is_trusted(s);
}

/* Who is only slow goes where room is short, but not in place of one that the tarpit holds beyond its share. */
static enum room asked(struct wait_queue *queue)
{
    const struct session *s = queue->context;
    if (!take(s->setup))
        return ROOM_KEEP;
    if (stress_missing(s->setup) > 0)
        return ROOM_MAKE;
    if (stress_over_share(s) <= 0)
        return ROOM_KEEP;
    if (s->in_tarpit)
        return ROOM_MAKE;
    return put(s->setup) ? ROOM_OTHERS : ROOM_KEEP;
}

static void give_way(struct session *s, int64_t join_ms)
{
    if (!pressure_may_ask(s) || s->setup->wait->queue != NULL)
        return;
    s->queue = (struct wait_queue){.fd = s->setup->pressure_read, .asked = asked, .context = s};
    wait_give_way(s->setup->wait, &s->queue, join_ms);
}

void pressure_give_way(struct session *s)
{
    give_way(s, WAIT_JOIN_MS);
}

void pressure_give_way_at_once(struct session *s)
{
    give_way(s, 0);
}

void pressure_give_way_soon(struct session *s)
{
    give_way(s, PRESSURE_PATIENCE_MS);
}

void pressure_keep_room(struct session *s)
{
    wait_keep_room(s->setup->wait);
}

void pressure_note(const struct session *s)
{
    if (s->setup->board == NULL)
        return;
    slot_begin(s->setup->board)->let_go++;
    slot_end(s->setup->board);
}

void pressure_make_room(struct session *s)
{
    pressure_note(s);
    session_end(s, MADE_ROOM);
    session_reply(s, &REPLY_BUSY);
}
