/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "common/clock.h"
#include "common/orders.h"
#include "workers/smtp/command.h"
#include "workers/transcript.h"

enum { CHALLENGE = 334, REPLY_ROOM = 16384, MARK = 2 /* of a held line: side and direction */ };

static const char HIDDEN[] = "[hidden]";

void transcript_begin(struct transcript *t, const struct orders *orders, const struct ipaddr *client,
                      const char *session_id)
{
    memset(t, 0, offsetof(struct transcript, held_text));
    t->orders = orders;
    t->client = client;
    t->session_id = session_id;
    buffer_init(&t->held, t->held_text, sizeof(t->held_text));
    t->on = orders_trace_wanted(orders, client, clock_ms());
}

/* -- into the log, now or later */

static void write_line(const struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                       struct slice line)
{
    static const char *const sides[] = {"client", "server"};
    static const char *const directions[] = {"in", "out"};
    struct record r;
    record_begin(&r, "trace");
    record_string(&r, "session", t->session_id);
    record_string(&r, "side", sides[side]);
    record_string(&r, "dir", directions[direction]);
    record_text(&r, "line", line);
    record_send(&r, LEVEL_NOTICE);
}

/* Where it does not fit it is lost: the answer to a message is short. */
static void hold(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                 struct slice line)
{
    if (buffer_room(&t->held) < MARK + line.size + 1)
        return;
    buffer_put_char(&t->held, (char)side);
    buffer_put_char(&t->held, (char)direction);
    buffer_put(&t->held, line);
    buffer_put_char(&t->held, '\n');
}

static void say(struct transcript *t, enum transcript_side side, enum transcript_direction direction, struct slice line)
{
    if (line.size > TRANSCRIPT_LINE_MAX)
        line.size = TRANSCRIPT_LINE_MAX;
    if (t->holds)
        hold(t, side, direction, line);
    else
        write_line(t, side, direction, line);
}

void transcript_hold(struct transcript *t)
{
    if (t != NULL)
        t->holds = true;
}

void transcript_release(struct transcript *t)
{
    if (t == NULL || !t->holds)
        return;
    struct slice held = buffer_unread(&t->held);
    t->holds = false;
    while (held.size > MARK) {
        enum transcript_side side = (enum transcript_side)held.at[0];
        enum transcript_direction direction = (enum transcript_direction)held.at[1];
        slice_drop(&held, MARK);
        write_line(t, side, direction, slice_take_until(&held, '\n'));
    }
    buffer_clear(&t->held);
}

/* -- what nobody may read */

/* Only a mechanism that has a name here is shown: what stands in its place may be a password. */
static bool is_mechanism(struct slice word)
{
    static const char *const names[] = {"PLAIN",   "LOGIN",       "CRAM-MD5",    "DIGEST-MD5",    "NTLM",
                                        "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-1", "SCRAM-SHA-256", "GSSAPI"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_is_word(word, names[i]))
            return true;
    return false;
}

static void say_auth(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                     struct slice argument)
{
    char text[TRANSCRIPT_LINE_MAX];
    struct buffer shown;
    struct slice mechanism = slice_take_word(&argument);
    buffer_init(&shown, text, sizeof(text));
    buffer_put_text(&shown, "AUTH");
    if (is_mechanism(mechanism))
        buffer_print(&shown, " %.*s", SLICE_ARGS(mechanism));
    else if (mechanism.size > 0)
        buffer_print(&shown, " %s", HIDDEN);
    if (argument.size > 0)
        buffer_print(&shown, " %s", HIDDEN);
    say(t, side, direction, buffer_unread(&shown));
}

static struct slice without_end(struct slice line)
{
    while (line.size > 0 && (line.at[line.size - 1] == '\n' || line.at[line.size - 1] == '\r'))
        line.size--;
    return line;
}

/* No command, but a mechanism's name is in it: somebody's way to write AUTH. */
static bool is_like_auth(struct slice line)
{
    for (struct slice word; (word = slice_take_word(&line)).size > 0;)
        if (is_mechanism(word))
            return true;
    return false;
}

/* A line of whoever gives the commands on this side. What is secret is found out also while nobody wants to know: a
 * trace may begin in the middle of it. */
static void take_command(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                         struct slice line)
{
    line = without_end(line);
    struct slice rest = slice_trim(line), words = rest;
    bool answers = t->secret[side], auth = !answers && slice_starts_nocase(rest, "AUTH");
    t->secret[side] |= auth;
    enum verb verb = verb_find(slice_take_word(&words));
    t->after_auth |= auth || (verb == VERB_UNKNOWN && is_like_auth(line));
    t->after_data |= verb == VERB_DATA;
    if (!t->on)
        return;
    if (answers || ((t->after_auth || t->after_data) && verb == VERB_UNKNOWN && !auth)) {
        say(t, side, direction, slice_of(HIDDEN));
    } else if (auth) {
        slice_take_word(&rest);
        say_auth(t, side, direction, rest);
    } else {
        say(t, side, direction, line);
    }
}

/* A challenge is kept, too: with it an answer might be guessed. Any other code ends AUTH. */
static void take_reply(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                       struct slice line)
{
    bool last = line.size < 4 || line.at[3] != '-';
    bool challenge = t->secret[side] && slice_starts_nocase(line, "334");
    t->secret[side] &= challenge || !last;
    if (t->on)
        say(t, side, direction, challenge ? slice_of("334 [hidden]") : without_end(line));
}

/* -- the hooks */

void transcript_lines(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                      struct slice lines)
{
    bool commands = (side == TRANSCRIPT_CLIENT) == (direction == TRANSCRIPT_IN);
    if (t == NULL)
        return;
    while (lines.size > 0) {
        struct slice line = slice_take_until(&lines, '\n');
        if (commands)
            take_command(t, side, direction, line);
        else
            take_reply(t, side, direction, line);
    }
}

void transcript_command(struct transcript *t, struct slice line)
{
    if (t == NULL)
        return;
    t->on = orders_trace_wanted(t->orders, t->client, clock_ms());
    transcript_lines(t, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, line);
}

/* Alone for its large frame, which who traces nothing does not pay. */
static __attribute__((noinline)) void say_reply(struct transcript *t, const struct reply *reply)
{
    char memory[REPLY_ROOM];
    struct buffer printed;
    buffer_init(&printed, memory, sizeof(memory));
    if (reply_print(&printed, reply))
        transcript_lines(t, TRANSCRIPT_CLIENT, TRANSCRIPT_OUT, buffer_unread(&printed));
}

void transcript_reply(struct transcript *t, const struct reply *reply)
{
    if (t == NULL)
        return;
    if (t->on)
        say_reply(t, reply);
    else /* the code alone says whether AUTH goes on */
        t->secret[TRANSCRIPT_CLIENT] &= reply->code == CHALLENGE;
}

void transcript_data(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                     uint64_t size)
{
    char text[64];
    struct buffer shown;
    if (t == NULL)
        return;
    t->after_data = false;
    if (!t->on)
        return;
    buffer_init(&shown, text, sizeof(text));
    buffer_print(&shown, "[message of %llu octets]", (unsigned long long)size);
    say(t, side, direction, buffer_unread(&shown));
}
