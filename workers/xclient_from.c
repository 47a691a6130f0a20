/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/auth.h"
#include "workers/greeting.h"
#include "workers/report.h"
#include "workers/starttls.h"
#include "workers/xclient_from.h"

static const struct reply REPLY_SYNTAX = REPLY(501, "5.5.4", "Write XCLIENT ATTRIBUTE=value");
static const struct reply REPLY_BAD_NAME = REPLY(501, "5.5.4", "Bad XCLIENT attribute");
static const struct reply REPLY_DOUBLED = REPLY(501, "5.5.4", "XCLIENT attribute given twice");
static const struct reply REPLY_BAD_VALUE = REPLY(501, "5.5.4", "Bad value of an XCLIENT attribute");
static const struct reply REPLY_TLS_FIRST = REPLY(421, "4.3.5", "Say STARTTLS before XCLIENT");

bool xclient_from_may(const struct session *s)
{
    return session_client_is_in(s, &s->options->xclient_from);
}

static const struct reply *fault_reply(enum attribute_fault fault)
{
    static const struct reply *const replies[] = {[ATTRIBUTE_MISSING] = &REPLY_SYNTAX,
                                                  [ATTRIBUTE_BAD_NAME] = &REPLY_BAD_NAME,
                                                  [ATTRIBUTE_DOUBLED] = &REPLY_DOUBLED,
                                                  [ATTRIBUTE_BAD_VALUE] = &REPLY_BAD_VALUE};
    return replies[fault];
}

static struct endpoint endpoint_of(const struct attributes *said, enum attribute address, enum attribute port)
{
    struct endpoint told = {.kind = ENDPOINT_NONE};
    if (attributes_address(said, address, &told.address))
        told.kind = ENDPOINT_IP;
    attributes_port(said, port, &told.port);
    return told;
}

static void take_login(struct session *s, const struct attribute_value *login)
{
    if (login->state != ATTRIBUTE_KNOWN)
        return;
    snprintf(s->login, sizeof(s->login), "%s", login->text);
    snprintf(s->vouched_login, sizeof(s->vouched_login), "%s", login->text);
    s->auth = "XCLIENT";
    s->auth_vouched = true;
    s->allowed = true; /* as after AUTH */
}

static void become(struct session *s, const struct attributes *said)
{
    struct endpoint client = s->client, local = s->local;
    if (s->proxy.kind == ENDPOINT_NONE)
        s->proxy = s->client;
    if (attributes_get(said, ATTRIBUTE_ADDR)->state != ATTRIBUTE_NOT_SAID)
        client = endpoint_of(said, ATTRIBUTE_ADDR, ATTRIBUTE_PORT);
    if (attributes_get(said, ATTRIBUTE_DESTADDR)->state != ATTRIBUTE_NOT_SAID)
        local = endpoint_of(said, ATTRIBUTE_DESTADDR, ATTRIBUTE_DESTPORT);
    session_leave_inside(s); /* it heard of somebody else */
    s->at_greeting = (struct known){0};
    session_start_over(s);
    s->waiting[WAITS_SINCE_GREETING] = (struct waiting){0};
    s->watched = ACTION_NONE;
    s->rate_bytes = s->portion_bytes = 0;
    s->client_name = *attributes_get(said, ATTRIBUTE_NAME);
    s->client_reverse_name = *attributes_get(said, ATTRIBUTE_REVERSE_NAME);
    s->client_untold = false;
    s->renamed = true;
    session_change_client(s, &client, &local);
    check_begin_session(s);
    take_login(s, attributes_get(said, ATTRIBUTE_LOGIN));
}

/* TLS is too late now, and without it no mail is taken from this client, or no login. */
static bool is_shut_out(const struct session *s)
{
    return starttls_is_due(s) || auth_is_impossible(s);
}

/* Own trouble: the client that is named could do nothing about it, and its mail must not bounce. */
static struct reply turn_back(struct session *s)
{
    report_gate(s, "the gate says XCLIENT in the clear for a client that needs TLS; it has to say STARTTLS first");
    session_end(s, "XCLIENT before STARTTLS");
    return REPLY_TLS_FIRST;
}

struct reply xclient_from_answer(struct session *s, const struct command *command)
{
    struct attributes said = {0};
    struct slice culprit = {0};
    if (!xclient_from_may(s))
        return session_blame(s, &REPLY_NOT_PROVIDED);
    if (s->transaction.begun)
        return session_blame(s, &REPLY_NESTED);
    enum attribute_fault fault = attributes_parse(command->argument, XCLIENT_FROM_ATTRIBUTES, &said, &culprit);
    if (fault != ATTRIBUTE_FINE)
        return session_blame_word(s, fault_reply(fault), culprit);
    become(s, &said);
    return is_shut_out(s) ? turn_back(s) : greeting_find(s);
}
