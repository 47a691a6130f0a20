/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/report.h"

/* -- the queue id -- */

static bool is_id_octet(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static struct slice take_id(struct slice text)
{
    size_t size = 0;
    while (size < text.size && is_id_octet(text.at[size]))
        size++;
    return slice_make(text.at, size);
}

/* `mark` in small letters. */
static bool find_after(struct slice text, struct slice mark, struct slice *rest_out)
{
    for (size_t i = 0; i + mark.size <= text.size; i++) {
        if (ascii_lower(text.at[i]) != mark.at[0] || !slice_equal_nocase(slice_make(text.at + i, mark.size), mark))
            continue;
        slice_drop(&text, i + mark.size);
        *rest_out = text;
        return true;
    }
    return false;
}

struct slice report_queue_id(struct slice text)
{
    static const struct slice queued_as = SLICE("queued as "), id = SLICE("id=");
    struct slice rest = slice_make(text.at, 0);
    if (find_after(text, queued_as, &rest) || find_after(text, id, &rest))
        return take_id(rest);
    rest = text;
    struct slice first = slice_take_word(&rest);
    if (slice_starts_nocase(slice_trim(rest), "Message accepted"))
        return take_id(first);
    return slice_make(text.at, 0);
}

/* -- the lines -- */

static void begin(struct record *r, const struct session *s, const char *event)
{
    record_begin(r, event);
    record_string(r, "session", s->id);
    record_string(r, "listener", s->service->listener);
    record_string(r, "client", s->client_text);
    record_string(r, "helo", s->name);
}

static void record_sender(struct record *r, const struct path *sender)
{
    char text[PATH_MAX_OCTETS + 8];
    struct buffer printed;
    buffer_init(&printed, text, sizeof(text));
    path_print(&printed, sender);
    record_text(r, "from", buffer_unread(&printed));
}

/* Full lists are cut at a whole address, and say so by the counts. */
static void record_recipients(struct record *r, const struct transaction *t)
{
    record_text(r, "to", buffer_unread(&t->recipients));
    record_number(r, "recipients", (uint64_t)t->accepted_recipients);
    if (t->refused_recipients > 0) {
        record_text(r, "refused", buffer_unread(&t->refused));
        record_number(r, "refused_recipients", (uint64_t)t->refused_recipients);
    }
}

/* helo= is what the client said, in the same line. */
static const char *note_key(const struct note *one)
{
    return strcmp(one->check, "helo") == 0 ? "helo_check" : one->check;
}

static void record_notes(struct record *r, const struct notes *notes, int from)
{
    for (int i = from; i < notes->count; i++)
        record_string(r, note_key(&notes->items[i]), notes->items[i].text);
}

static void record_auth(struct record *r, const struct session *s)
{
    record_string(r, "auth", s->auth);
    record_string(r, "login", s->login);
}

static void record_tls(struct record *r, const struct session *s)
{
    record_string(r, "tls", s->tls.version);
    record_string(r, "cipher", s->tls.cipher);
}

static void record_tls_peer(struct record *r, const struct session *s)
{
    const struct tls_facts *tls = &s->tls;
    if (tls->resumed)
        record_string(r, "resumed", "yes");
    record_string(r, "sni", tls->server_name);
    if (!tls->peer_given)
        return;
    record_string(r, "client_cert", tls->peer_name);
    record_string(r, "client_fingerprint", tls->peer_fingerprint);
    record_string(r, "client_verified", tls->peer_verified ? "yes" : "no");
}

/* From whom a listed client says that it got the message. */
static void record_forwarded(struct record *r, const struct attributes *said)
{
    record_string(r, "forwarded_addr", attributes_get(said, ATTRIBUTE_ADDR)->text);
    record_string(r, "forwarded_name", attributes_get(said, ATTRIBUTE_NAME)->text);
    record_string(r, "forwarded_ident", attributes_get(said, ATTRIBUTE_IDENT)->text);
}

static void record_score(struct record *r, int points)
{
    char score[16];
    snprintf(score, sizeof(score), "%d", points);
    if (points != 0)
        record_string(r, "score", score);
}

void report_transaction(const struct session *s)
{
    struct record r;
    const struct transaction *t = &s->transaction;
    begin(&r, s, "message");
    record_sender(&r, &t->sender);
    record_recipients(&r, t);
    record_string(&r, "message_id", t->header.message_id);
    record_number(&r, "size", t->body.size);
    if (t->body.mended > 0)
        record_number(&r, "mended", t->body.mended);
    if (t->filter.removed > 0)
        record_number(&r, "removed", t->filter.removed);
    record_number(&r, "ms", (uint64_t)(clock_ms() - t->began_ms));
    record_string(&r, "verdict", t->verdict);
    record_string(&r, "reason", t->reason);
    record_score(&r, s->score);
    record_tls(&r, s);
    record_auth(&r, s);
    record_forwarded(&r, &s->forwarded);
    if (s->inside.server != NULL)
        record_string(&r, "server", s->inside.server->name);
    record_string(&r, "inside_tls", s->inside.secured);
    record_text(&r, "reply", buffer_unread(&t->reply));
    record_string(&r, "queue_id", t->queue_id);
    record_notes(&r, &s->notes, t->first_note);
    record_send(&r, LEVEL_INFO);
}

void report_fault(const struct session *s, const struct command *command)
{
    struct record r;
    begin(&r, s, "fault");
    record_string(&r, "command", verb_name(command->verb));
    if (command->verb == VERB_MAIL || command->verb == VERB_RCPT)
        record_text(&r, "argument", command->argument);
    record_number(&r, "errors", (uint64_t)s->errors);
    record_send(&r, LEVEL_INFO);
}

static void record_proxy(struct record *r, const struct session *s)
{
    char address[IPADDR_TEXT_MAX];
    ipaddr_print(&s->proxy.address, address);
    if (s->proxy.kind != ENDPOINT_NONE)
        record_string(r, "proxy", address);
}

void report_gate(const struct session *s, const char *alarm)
{
    struct record r;
    record_begin(&r, "proxy");
    record_string(&r, "session", s->id);
    record_string(&r, "listener", s->service->listener);
    record_proxy(&r, s);
    record_string(&r, "client", s->client_text);
    record_string(&r, "alarm", alarm);
    record_send(&r, LEVEL_ERROR);
}

static void record_standing(struct record *r, const struct session *s)
{
    record_score(r, s->score_most > 0 ? s->score_most : s->score);
    if (s->standing != STANDING_UNKNOWN)
        record_string(r, "reputation", standing_name(s->standing));
}

void report_session(const struct session *s)
{
    struct record r;
    begin(&r, s, "session");
    record_number(&r, "port", s->client.port);
    record_string(&r, "name", s->client_name.text);
    record_proxy(&r, s);
    record_number(&r, "ms", (uint64_t)(clock_ms() - s->began_ms));
    record_number(&r, "messages", (uint64_t)s->messages);
    record_number(&r, "refused_messages", (uint64_t)s->refused_messages);
    record_number(&r, "errors", (uint64_t)s->errors);
    if (s->unheard > 0)
        record_number(&r, "unheard", (uint64_t)s->unheard);
    if (s->held)
        record_number(&r, "held_ms", (uint64_t)s->held_ms);
    if (s->throttled_ms > 0)
        record_number(&r, "throttled_ms", (uint64_t)s->throttled_ms);
    if (s->inside_wait_ms > 0)
        record_number(&r, "inside_wait_ms", (uint64_t)s->inside_wait_ms);
    record_number(&r, "bytes_in", s->outside.received_bytes);
    record_standing(&r, s);
    record_tls(&r, s);
    record_tls_peer(&r, s);
    record_auth(&r, s);
    record_string(&r, "ended", s->ending);
    record_string(&r, "why", s->why);
    record_notes(&r, &s->notes, 0);
    record_send(&r, LEVEL_INFO);
}
