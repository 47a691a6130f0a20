/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tests/talk/play_tls.h"

enum { RECORD_HEADER = 5, RECORD_HANDSHAKE = 0x16 };

static void refuse_unheard(const struct end *end, struct report *report)
{
    char text[1024];
    if (end_unheard(end).size > 0)
        report_fail(report, "but before it was heard: %s", octets_print(text, sizeof text, end_unheard(end)));
}

static void begin(const struct step *step, struct end *end, struct sides *sides)
{
    struct secure_options options = {0};
    bool inside = step->side == SIDE_INSIDE;
    if (end->tls)
        report_fail(sides->report, "but TLS was begun here before");
    if (end->ended)
        report_fail(sides->report, "but the connection is closed");
    if (!inside)
        refuse_unheard(end, sides->report);
    if (step->text)
        secure_parse(slice_make(step->text, step->size), inside, &options);
    struct secure *tls = secure_new(inside, &options, sides->certificates, inside ? NULL : &sides->ticket);
    if (step->kind == STEP_TLS_FAILS || step->kind == STEP_TLS_BEGINS)
        secure_may_fail(tls);
    report_event(sides->report, inside ? "I" : "O", "%s", step->source + 3);
    end_begin_tls(end, tls, sides->report);
}

static bool handshake(const struct step *step, struct end *end, struct sides *sides, bool again)
{
    if (!again && step->kind != STEP_TLS_FINISHES) {
        begin(step, end, sides);
        return false;
    }
    if (!end->tls)
        report_fail(sides->report, "but TLS was not begun");
    if (!again) {
        end->holds_back = false;
        return false;
    }
    if (secure_state(end->tls) == SECURE_FAILED)
        report_fail(sides->report, "but TLS failed: %s", secure_why(end->tls));
    if (secure_state(end->tls) != SECURE_OPEN)
        report_fail(sides->report, "but the handshake does not go on: %s",
                    end->ended ? "the connection is closed" : "the session says nothing more");
    const char *wrong = secure_check(end->tls);
    if (wrong)
        report_fail(sides->report, "but %s", wrong);
    return true;
}

/* With an alert, with words in the clear (which are then heard), or with the connection's end. */
static bool fails(const struct step *step, struct end *end, struct sides *sides, bool again)
{
    if (!again) {
        begin(step, end, sides);
        return false;
    }
    enum secure_state state = secure_state(end->tls);
    /* TLS 1.3: a client is through before the server has judged what it said last. */
    if (state == SECURE_OPEN && !end->ended)
        report_fail(sides->report, "but the handshake went well");
    if (state == SECURE_HANDSHAKE && !end->ended)
        report_fail(sides->report, "but the handshake goes on");
    return true;
}

static void begin_slowly(const struct step *step, struct end *end, struct sides *sides)
{
    begin(step, end, sides);
    end->holds_back = true;
    end->allowed = step->number ? (size_t)step->number : end->unsaid.size;
    sides_move(sides);
}

static void do_without(struct end *end, struct report *report)
{
    refuse_unheard(end, report);
    end_begin_tls(end, secure_new_broken(), report);
}

/* The session's ClientHello is heard; from here on what is said goes out in the clear, and alerts do not matter. */
static void hear_client_hello(struct end *end, struct report *report)
{
    struct slice heard = end_unheard(end);
    const unsigned char *at = (const unsigned char *)heard.at;
    if (heard.size < RECORD_HEADER || at[0] != RECORD_HANDSHAKE)
        report_fail(report, "but the inside heard no ClientHello");
    size_t size = RECORD_HEADER + ((size_t)at[3] << 8 | at[4]);
    if (heard.size < size)
        report_fail(report, "but the inside heard a part of a ClientHello only");
    end_take(end, size);
    end_begin_tls(end, secure_new_broken(), report);
}

static void say(const struct step *step, struct end *end, struct sides *sides)
{
    if (!end->tls)
        report_fail(sides->report, "but TLS was not begun");
    if (step->kind == STEP_CLOSE_NOTIFY) {
        report_event(sides->report, end->says_mark, "(close_notify)");
        end_close_notify(end);
    } else {
        report_event(sides->report, end->says_mark, "(in the clear) %s", step->source);
        secure_may_fail(end->tls);
        end_say_clear(end, slice_make(step->text, step->size));
    }
    if (step->joined)
        end_say_all(end, sides->report);
    sides_move(sides);
}

bool play_tls(const struct step *step, struct end *end, struct sides *sides, bool again)
{
    if (step->kind == STEP_TLS || step->kind == STEP_TLS_FINISHES)
        return handshake(step, end, sides, again);
    if (step->kind == STEP_TLS_FAILS)
        return fails(step, end, sides, again);
    if (step->kind == STEP_TLS_BEGINS)
        begin_slowly(step, end, sides);
    else if (step->kind == STEP_TRICKLE)
        end->allowed += (size_t)step->number;
    else if (step->kind == STEP_CLIENT_HELLO)
        hear_client_hello(end, sides->report);
    else if (step->kind == STEP_NO_TLS)
        do_without(end, sides->report);
    else
        say(step, end, sides);
    return true;
}
