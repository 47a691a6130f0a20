/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>

#include "workers/trace.h"

enum { COMMON_NAME_SHOWN_MAX = 60, SHORT_NAME_MAX = 45 }; /* the log has all of the name */
enum { LINE_OCTETS = 78, WORD_OCTETS_MAX = 990 };

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

/* With its name where somebody has looked for it, as Postfix does. */
static void print_client(struct buffer *to, const struct session *s)
{
    if (s->client.kind != ENDPOINT_IP) {
        buffer_put_text(to, " (local)");
        return;
    }
    buffer_put_text(to, " (");
    if (s->client_name.state == ATTRIBUTE_KNOWN)
        buffer_put_text(to, s->client_name.text);
    else if (s->client_name.state != ATTRIBUTE_NOT_SAID)
        buffer_put_text(to, "unknown");
    if (s->client_name.state != ATTRIBUTE_NOT_SAID)
        buffer_put_char(to, ' ');
    buffer_put_text(to, s->client.address.family == 6 ? "[IPv6:" : "[");
    buffer_put_text(to, s->client_text);
    buffer_put_text(to, "])");
}

/* RFC 3848, RFC 6531 section 4.3; neither has a word for HELO under TLS, or after AUTH. */
static const char *protocol(const struct session *s)
{
    static const char *const names[][2][2] = {{{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
                                              {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}}};
    bool utf8 = s->transaction.parameters.smtputf8;
    if (!s->esmtp && !utf8)
        return "SMTP";
    return names[utf8][s->tls.version != NULL][s->auth != NULL];
}

/* Nothing of it ends the comment that it stands in. */
static void print_in_comment(struct buffer *to, const char *text, size_t limit)
{
    for (size_t i = 0; i < limit && text[i] != '\0'; i++) {
        bool safe = text[i] >= ' ' && text[i] <= '~' && strchr("()\\\"", text[i]) == NULL;
        buffer_put_char(to, safe ? text[i] : '?');
    }
}

static void print_tls(struct buffer *to, const struct tls_facts *tls)
{
    if (tls->version == NULL)
        return;
    buffer_print(to, "\r\n\t(using %s with cipher %s (%d/%d bits))", tls->version, tls->cipher, tls->bits, tls->bits);
    if (!tls->peer_given)
        return;
    buffer_put_text(to, "\r\n\t(client CN \"");
    size_t line = to->end;
    print_in_comment(to, tls->peer_name, COMMON_NAME_SHOWN_MAX);
    const char *fold = to->end - line > SHORT_NAME_MAX ? "\r\n\t" : " ";
    buffer_print(to, "\",%s%s)", fold, tls->peer_verified ? "verified" : "not verified");
}

static void put_two(struct buffer *to, int number, int digits, char behind)
{
    buffer_put_number(to, (uint64_t)number, digits);
    buffer_put_char(to, behind);
}

/* RFC 5322 section 3.3. By hand: it is printed for each message, and printf is slow. */
static void print_date(struct buffer *to, time_t now)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    localtime_r(&now, &tm);
    long minutes = tm.tm_gmtoff / 60, offset = minutes < 0 ? -minutes : minutes;
    buffer_put_text(to, days[tm.tm_wday]);
    buffer_put_text(to, ", ");
    put_two(to, tm.tm_mday, 1, ' ');
    buffer_put_text(to, months[tm.tm_mon]);
    buffer_put_char(to, ' ');
    buffer_put_number(to, (uint64_t)tm.tm_year + 1900, 4);
    buffer_put_char(to, ' ');
    put_two(to, tm.tm_hour, 2, ':');
    put_two(to, tm.tm_min, 2, ':');
    put_two(to, tm.tm_sec, 2, ' ');
    buffer_put_char(to, minutes < 0 ? '-' : '+');
    buffer_put_number(to, (uint64_t)(offset / 60 * 100 + offset % 60), 4);
}

static bool keep(struct buffer *to, const struct buffer *before)
{
    bool fits = !to->overflow;
    if (!fits)
        *to = *before;
    return fits;
}

bool trace_received(struct buffer *to, const struct session *s, time_t now)
{
    struct slice name = slice_of(s->name);
    const struct buffer before = *to;
    bool proper = domain_is_valid(name) || is_literal(name);
    buffer_put_text(to, "Received: from ");
    buffer_put(to, proper ? name : slice_of("unknown"));
    print_client(to, s);
    print_tls(to, &s->tls);
    buffer_put_text(to, "\r\n\tby ");
    buffer_put_text(to, s->service->hostname);
    buffer_put_text(to, " with ");
    buffer_put_text(to, protocol(s));
    buffer_put_text(to, " id ");
    buffer_put_text(to, s->id);
    buffer_put_text(to, ";\r\n\t");
    print_date(to, now);
    buffer_put_text(to, "\r\n");
    return keep(to, &before);
}

/* -- what checks found -- */

const char *trace_authserv_id(const struct session *s)
{
    return s->options->authserv_id != NULL ? s->options->authserv_id : s->service->hostname;
}

static size_t column(const struct buffer *to)
{
    size_t size = 0;
    while (size < to->end && to->memory[to->end - size - 1] != '\n')
        size++;
    return size;
}

static struct slice take_through(struct slice *rest, bool blanks)
{
    size_t size = 0;
    while (size < rest->size && (rest->at[size] == ' ') == blanks)
        size++;
    struct slice taken = slice_make(rest->at, size);
    slice_drop(rest, size);
    return taken;
}

/* Folded before blanks, which stay: unfolded it is what the check said. */
static void print_result(struct buffer *to, struct slice result)
{
    result = slice_trim(result);
    buffer_put_text(to, ";\r\n\t");
    while (result.size > 0) {
        struct slice blanks = take_through(&result, true), word = take_through(&result, false);
        if (blanks.size > 0 && column(to) + blanks.size + word.size >= LINE_OCTETS)
            buffer_put_text(to, "\r\n");
        buffer_put(to, blanks);
        buffer_put(to, word);
    }
}

/* RFC 5322 section 2.1.1: no line may have more, however it is folded. */
static bool has_endless_word(struct slice result)
{
    while (result.size > 0) {
        struct slice blanks = take_through(&result, true), word = take_through(&result, false);
        if (blanks.size + word.size > WORD_OCTETS_MAX)
            return true;
    }
    return false;
}

static int print_results(struct buffer *to, const struct results *results)
{
    int count = 0;
    for (int i = 0; i < results->count; i++) {
        struct slice result = result_at(results, i);
        if (has_endless_word(result))
            continue;
        print_result(to, result);
        count++;
    }
    return count;
}

bool trace_results(struct buffer *to, const struct session *s)
{
    static const struct slice name = SLICE("Authentication-Results:");
    const struct buffer before = *to;
    struct slice id = slice_of(trace_authserv_id(s));
    buffer_put(to, name);
    buffer_put_text(to, name.size + id.size + 2 > LINE_OCTETS ? "\r\n\t" : " ");
    buffer_put(to, id);
    int count = print_results(to, &s->results) + print_results(to, &s->transaction.results);
    buffer_put_text(to, "\r\n");
    if (count == 0)
        *to = before;
    return keep(to, &before);
}

bool trace_spf(struct buffer *to, const struct session *s)
{
    const struct buffer before = *to;
    if (!s->transaction.spf.is_known)
        return true;
    buffer_put_text(to, "Received-SPF: ");
    spf_trace_print(to, s);
    buffer_put_text(to, "\r\n");
    return keep(to, &before);
}
