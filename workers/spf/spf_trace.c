/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "workers/session.h"
#include "workers/spf/spf_trace.h"

enum { VALUE_MAX = 450 }; /* of one value: each octet may become two, and a line has 998 (RFC 5322 section 2.1.1) */

static bool is_dot_atom(struct slice text)
{
    bool after_dot = true;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (c == '.' && after_dot)
            return false;
        if (c != '.' && !ascii_is_alnum(c) && (c == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
            return false;
        after_dot = c == '.';
    }
    return !after_dot;
}

static void put_quoted(struct buffer *to, struct slice text)
{
    buffer_put_char(to, '"');
    for (size_t i = 0; i < text.size && i < VALUE_MAX; i++) {
        char c = text.at[i];
        if (c == '"' || c == '\\')
            buffer_put_char(to, '\\');
        buffer_put_char(to, c < ' ' || c > '~' ? '?' : c);
    }
    buffer_put_char(to, '"');
}

static void put_pair(struct buffer *to, const char *key, struct slice value)
{
    buffer_put_text(to, ";\r\n\t");
    buffer_put_text(to, key);
    buffer_put_char(to, '=');
    if (is_dot_atom(value) && value.size <= VALUE_MAX)
        buffer_put(to, value);
    else
        put_quoted(to, value);
}

static void put_sender(struct buffer *to, const struct path *sender)
{
    char text[PATH_MAX_OCTETS + 2];
    struct buffer mailbox;
    buffer_init(&mailbox, text, sizeof(text));
    buffer_put(&mailbox, sender->local);
    if (sender->domain.size > 0)
        buffer_put_char(&mailbox, '@');
    buffer_put(&mailbox, sender->domain);
    put_pair(to, "envelope-from", buffer_unread(&mailbox));
}

/* "pass\r\n\treceiver=mx.example;..": a key for what decided, and one for each thing it was asked of. */
bool spf_trace_print(struct buffer *to, const struct session *s)
{
    const struct spf_trace *trace = &s->transaction.spf;
    size_t begin = to->end;
    if (!trace->is_known)
        return false;
    buffer_put_text(to, spf_result_name(trace->answer.result));
    buffer_put_text(to, "\r\n\treceiver=");
    buffer_put_text(to, s->service->hostname);
    put_pair(to, "client-ip", slice_of(s->client_text));
    put_sender(to, &s->transaction.sender);
    put_pair(to, "helo", slice_of(s->name));
    put_pair(to, "identity", slice_of(trace->identity == SPF_HELO ? "helo" : "mailfrom"));
    bool is_error = trace->answer.result == SPF_TEMPERROR || trace->answer.result == SPF_PERMERROR;
    put_pair(to, is_error ? "problem" : "mechanism", slice_of(trace->answer.why));
    if (to->overflow)
        to->end = begin;
    return !to->overflow;
}
