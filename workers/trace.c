/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>

#include "workers/trace.h"

static bool is_literal(struct slice name)
{
    if (name.size < 3 || name.at[0] != '[' || name.at[name.size - 1] != ']')
        return false;
    for (size_t i = 1; i < name.size - 1; i++) {
        if (!ascii_is_alnum(name.at[i]) && strchr(".:-", name.at[i]) == NULL)
            return false;
    }
    return true;
}

static void print_client(struct buffer *to, const struct session *s)
{
    if (s->client.kind == ENDPOINT_IP)
        buffer_print(to, " ([%s%s])", s->client.address.family == 6 ? "IPv6:" : "", s->client_text);
    else
        buffer_put_text(to, " (local)");
}

static const char *protocol(const struct session *s)
{
    if (s->transaction.parameters.smtputf8)
        return "UTF8SMTP"; /* RFC 6531 section 4.3 */
    return s->esmtp ? "ESMTP" : "SMTP";
}

static void print_date(struct buffer *to, time_t now)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    localtime_r(&now, &tm);
    long offset = tm.tm_gmtoff / 60;
    buffer_print(to, "%s, %d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, offset < 0 ? '-' : '+',
                 (offset < 0 ? -offset : offset) / 60, (offset < 0 ? -offset : offset) % 60);
}

bool trace_received(struct buffer *to, const struct session *s, time_t now)
{
    struct slice name = slice_of(s->name);
    bool proper = domain_is_valid(name) || is_literal(name);
    buffer_print(to, "Received: from %.*s", SLICE_ARGS(proper ? name : slice_of("unknown")));
    print_client(to, s);
    buffer_print(to, "\r\n\tby %s with %s id %s;\r\n\t", s->service->hostname, protocol(s), s->id);
    print_date(to, now);
    buffer_put_text(to, "\r\n");
    return !to->overflow;
}
