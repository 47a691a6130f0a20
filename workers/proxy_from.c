/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#include "workers/proxy_from.h"
#include "workers/proxy_header.h"
#include "workers/report.h"

const struct reply REPLY_CLIENT_UNTOLD =
    REPLY(451, "4.3.5", "The load balancer in front does not tell who you are, try again later");

/* For all of it. A load balancer says it as soon as it is connected: this is time for two retransmissions of that
 * (after 1 s and 3 s) and no more, since who says nothing holds a worker. Postfix waits as long. */
enum { HEADER_WAIT_MS = 5000 };

static bool without(struct session *s, const char *why)
{
    snprintf(s->why, sizeof(s->why), "%s", why);
    session_end(s, "no PROXY header");
    return false;
}

static const char *why_not(enum io io)
{
    return io == IO_LATE ? "timeout" : io == IO_END ? "closed" : io_name(io);
}

static void believe(struct session *s, const struct proxy_header *header)
{
    s->proxy = s->client;
    s->client_untold = header->kind == PROXY_UNKNOWN;
    if (header->kind != PROXY_LOCAL)
        session_change_client(s, &header->client, &header->local);
}

bool proxy_from_hear(struct session *s)
{
    struct proxy_header header;
    size_t count;
    int64_t deadline = clock_deadline(HEADER_WAIT_MS);
    enum proxy_progress progress = PROXY_MORE;
    if (!session_client_is_in(s, &s->options->proxy_from))
        return true;
    while ((progress = proxy_header_parse(buffer_unread(&s->outside.in), &header, &count)) == PROXY_MORE) {
        enum io io = stream_fill_within(&s->outside, count, deadline);
        if (io != IO_OK)
            return without(s, why_not(io));
    }
    if (progress == PROXY_BAD)
        return without(s, "malformed");
    buffer_consume(&s->outside.in, count);
    believe(s, &header);
    return true;
}

bool proxy_from_keeps_out(struct session *s)
{
    if (s->client_untold && !s->client_untold_logged)
        report_gate(s, "the load balancer does not tell who the client is; it says UNKNOWN for somebody who has mail");
    s->client_untold_logged = s->client_untold;
    return s->client_untold;
}
