/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"
#include "workers/decide.h"
#include "workers/envelope.h"
#include "workers/explain/explain.h"
#include "workers/explain/explain_enforced.h"
#include "workers/explain/explain_internal.h"
#include "workers/standing.h"
#include "workers/starttls.h"
#include "workers/transaction.h"

static const char TRY[] = "posternctl explain 192.0.2.7 helo=mail.example.com from=ann@example.com to=bob@example.org";

/* -- the end of it -- */

static _Noreturn void end(struct explain *x)
{
    control_begin(&x->out, "ok");
    control_end(&x->out);
    explain_flush(x);
    _exit(0);
}

static _Noreturn void complain(struct explain *x, const char *why, const char *try)
{
    buffer_clear(&x->out);
    control_begin(&x->out, "error");
    control_string(&x->out, "why", why);
    control_string(&x->out, "try", try);
    control_end(&x->out);
    explain_flush(x);
    _exit(0);
}

/* -- who, and by what policy -- */

static const struct explained_listener *find_listener(const struct explainer_setup *setup, struct slice name)
{
    for (int i = 0; i < setup->listener_count; i++)
        if (name.size == 0 || slice_equal(name, slice_of(setup->listeners[i].name)))
            return &setup->listeners[i];
    return NULL;
}

/* However long a session may wait for DNS: who asks for an explanation is not to wait for minutes. */
static const struct service *with_less_time(const struct service *service)
{
    static struct { /* of the one explanation that this process is for */
        struct service service;
        struct resolver resolver;
    } own;
    if (service->resolver == NULL || service->resolver->deadline_ms <= EXPLAIN_DNS_MS)
        return service;
    own.service = *service;
    own.resolver = *service->resolver;
    own.resolver.deadline_ms = EXPLAIN_DNS_MS;
    own.service.resolver = &own.resolver;
    return &own.service;
}

/* What is off: it is not asked, so it says nothing by itself. */
static void put_off(struct buffer *to, const struct policy *policy)
{
    char memory[EXPLAIN_TEXT_MAX];
    struct buffer names;
    buffer_init(&names, memory, sizeof(memory));
    for (int i = 0; check_table[i] != NULL; i++) {
        const struct check_options *options = policy->check_options[i];
        bool capped = policy->mode == MODE_OFF && check_table[i]->binds != BINDS_EVERYONE;
        if (capped || (options != NULL && options->mode == MODE_OFF))
            buffer_print(&names, "%s%s", buffer_unread(&names).size > 0 ? " " : "", check_table[i]->name);
    }
    if (buffer_unread(&names).size > 0)
        control_text(to, "off", buffer_unread(&names));
}

static const char *mode_name(int mode)
{
    static const char *const names[] = {[MODE_OFF] = "off", [MODE_WATCH] = "watch", [MODE_ENFORCE] = "enforce"};
    return names[mode];
}

static void put_standing(struct buffer *to, const struct session *s)
{
    struct reputation known = standing_known_of(s->service, s->setup->board, &s->client);
    control_string(to, "standing", standing_name(s->standing));
    control_number(to, "good", known.good / REPUTATION_ONE);
    control_number(to, "bad", known.bad / REPUTATION_ONE);
}

static void put_listed(struct buffer *to, const struct session *s)
{
    struct listed_entry entry;
    char reason[LISTED_REASON_MAX], network[NETWORK_TEXT_MAX];
    enum listed_as as = listed_find(s->setup->board->listed, &s->client.address, clock_wall(), &entry, reason);
    if (as == LISTED_NOT)
        return;
    network_print(&entry.network, network);
    control_string(to, "listed", as == LISTED_BLOCKED ? "blocked" : "allowed");
    control_string(to, "listed_network", network);
    control_string(to, "listed_reason", reason[0] != '\0' ? reason : NULL);
}

static void put_said(struct buffer *to, const char *key, bool was_said, struct slice value)
{
    if (was_said)
        control_text(to, key, value);
}

static void put_path(struct buffer *to, const char *key, bool was_said, const struct path *path)
{
    char memory[PATH_MAX_OCTETS + 4];
    struct buffer text;
    buffer_init(&text, memory, sizeof(memory));
    if (was_said && path_print(&text, path))
        control_text(to, key, buffer_unread(&text));
}

static void tell_client(struct explain *x)
{
    const struct session *s = x->session;
    const struct policy *policy = s->options->policy;
    struct buffer *to = explain_record(x, "explained");
    control_string(to, "client", s->client_text);
    put_said(to, "helo", x->ask.helo.size > 0, x->ask.helo);
    put_path(to, "from", x->ask.has_from, &x->ask.from);
    put_path(to, "to", x->ask.has_to, &x->ask.to);
    put_said(to, "login", x->ask.login.size > 0, x->ask.login);
    control_string(to, "listener", s->service->listener);
    control_string(to, "policy", policy->name);
    control_string(to, "mode", mode_name(policy->mode));
    control_flag(to, "as_if_enforced", x->ask.enforce);
    control_flag(to, "bypass", s->setup->board->orders != NULL && orders_bypass(s->setup->board->orders));
    control_string(to, "decide", policy->decide.decide == DECIDE_AT_RCPT ? "rcpt" : "connect");
    control_number(to, "defer_at", policy->decide.defer_at);
    control_number(to, "reject_at", policy->decide.reject_at);
    control_string(to, "on_unsure", policy->on_unsure == ON_UNSURE_DEFER ? "defer" : "pass");
    put_standing(to, s);
    put_listed(to, s);
    put_off(to, policy);
    control_end(to);
}

/* What is no check's business, and would surprise who reads the rest alone. */
static void tell_rule(struct explain *x, const char *text)
{
    struct buffer *to = explain_record(x, "rule");
    control_string(to, "text", text);
    control_end(to);
}

static void tell_rules(struct explain *x, const struct service *configured)
{
    const struct session *s = x->session;
    if (session_client_is_in(s, &s->options->proxy_from))
        tell_rule(x, "this address is in proxy_from: as a load balancer it names the client that is judged");
    if (session_client_is_in(s, &s->options->xclient_from))
        tell_rule(
            x,
            "this address is in xclient_from: as a gate it may name the client that is judged, and no limit is for it");
    if (starttls_is_due(s))
        tell_rule(x, "this client must use TLS: without it MAIL is answered 530");
    if (s->options->auth.mode == AUTH_MODE_REQUIRE && x->ask.login.size == 0)
        tell_rule(x, "this listener takes mail after AUTH alone: without it MAIL is answered 530");
    if (s->rules.is_never_held)
        tell_rule(x, "no delay holds this client (client { delays = no })");
    if (s->rules.unlimited)
        tell_rule(x, "no limit is for this client (client { limits = no })");
    if (s->service != configured && s->service->resolver != configured->resolver)
        tell_rule(x, "DNS is waited for 20 s at most here, by a session for longer (resolver_deadline)");
}

/* -- the session -- */

/* Who asked hung up: nobody wants to know any more. */
static enum io asker_woken(struct wait_guest *guest, short revents)
{
    (void)guest;
    (void)revents;
    _exit(0);
}

static void give_names(struct session *s, const struct explain_ask *ask)
{
    if (ask->name.size > 0) {
        s->client_name.state = ATTRIBUTE_KNOWN;
        snprintf(s->client_name.text, sizeof(s->client_name.text), "%.*s", SLICE_ARGS(ask->name));
    }
}

static void begin(struct explain *x, const struct explained_listener *listener)
{
    struct session *s = x->session;
    struct endpoint client = {.kind = ENDPOINT_IP, .address = x->ask.client};
    s->setup = &x->setup;
    s->service = x->setup.service;
    s->options = s->service->session;
    s->began_ms = clock_ms();
    snprintf(s->id, sizeof(s->id), "explain");
    session_set_client(s, &client, &listener->at);
    inside_init(&s->inside, &x->wait, s->options->backend, s->service->inside_tls, &s->who);
    give_names(s, &x->ask);
    s->lookup_host = x->names;
    transaction_begin(s);
    check_begin_session(s);
}

static void set_up(struct explain *x, const struct explainer_setup *setup, const struct explained_listener *listener)
{
    const struct service *service = with_less_time(listener->service);
    if (x->ask.enforce)
        service = explain_enforced(service);
    if (x->ask.enforce)
        setup->board->orders = NULL; /* no bypass; nobody is traced */
    x->session = calloc(1, sizeof(*x->session));
    if (service == NULL || x->session == NULL || !scoreboard_take_scratch(setup->board))
        complain(x, "no memory", NULL);
    x->asker = (struct wait_guest){.fd = x->fd, .woken = asker_woken};
    wait_invite(&x->wait, &x->asker);
    explain_listen(x);
    x->setup = (struct session_setup){.service = service,
                                      .board = setup->board,
                                      .wait = &x->wait,
                                      .pool_first = listener->pool_first,
                                      .pool_size = listener->pool_size,
                                      .min_spare = listener->min_spare,
                                      .pressure_read = -1,
                                      .pressure_write = -1,
                                      .dns = dns_new(service->resolver, &x->wait),
                                      .observer = &x->observer,
                                      .looks_only = true};
    begin(x, listener);
}

/* -- stage by stage -- */

static const char *const COMMANDS[STAGES] = {
    [STAGE_TLS] = "the TLS handshake",
    [STAGE_CONNECT] = "the connection",
    [STAGE_GREETING] = "the connection",
    [STAGE_HELO] = "HELO",
    [STAGE_AUTH] = "AUTH",
    [STAGE_MAIL] = "MAIL",
    [STAGE_RCPT] = "RCPT",
    [STAGE_DATA] = "DATA",
};

static struct buffer *begin_outcome(struct explain *x, const char *result)
{
    struct buffer *to = explain_record(x, "outcome");
    control_string(to, "result", result);
    control_number(to, "total_score", x->session->score);
    control_number(to, "held_ms", x->session->held_ms);
    return to;
}

/* Said in place of what was asked for. */
static _Noreturn void end_refused(struct explain *x, enum stage stage, const struct reply *reply)
{
    explain_tell_left(x);
    struct buffer *to = begin_outcome(x, reply_class(reply) == 5 ? "refused" : "deferred");
    control_string(to, "at", COMMANDS[stage]);
    explain_put_reply(to, reply);
    control_string(to, "reason", x->session->transaction.reason);
    control_flag(to, "hangs_up", x->session->phase == PHASE_CLOSED || stage <= STAGE_GREETING);
    control_end(to);
    end(x);
}

/* Nothing refuses so far; what waits is said at RCPT, whoever it is for. */
static _Noreturn void end_open(struct explain *x, bool complete)
{
    const struct waiting *waiting = decide_waiting(x->session);
    explain_tell_left(x);
    struct buffer *to = begin_outcome(x, waiting != NULL ? "refused" : complete ? "accepted" : "open");
    if (waiting != NULL) {
        control_string(to, "at", COMMANDS[STAGE_RCPT]);
        explain_put_reply(to, &waiting->reply);
        control_string(to, "reason", waiting->reason);
        control_flag(to, "unless_exempt", true);
    }
    control_end(to);
    end(x);
}

static void pass(struct explain *x, enum stage stage, const struct path *recipient)
{
    struct reply reply;
    if (!decide_stage(x->session, stage, recipient, &reply))
        end_refused(x, stage, &reply);
}

static void pass_login(struct explain *x)
{
    struct session *s = x->session;
    if (x->ask.login.size == 0)
        return;
    bool by_client = s->options->auth.mode != AUTH_MODE_NONE;
    if (by_client)
        pass(x, STAGE_AUTH, NULL);
    s->auth = by_client ? "PLAIN" : "XCLIENT"; /* a gate's word */
    s->auth_vouched = !by_client;
    s->allowed = true;
    snprintf(s->login, sizeof(s->login), "%.*s", SLICE_ARGS(x->ask.login));
}

/* Who says nothing of its name is taken to say its address, and that is not judged. */
static void pass_hello(struct explain *x)
{
    struct session *s = x->session;
    bool is_named = x->ask.helo.size > 0;
    if (is_named)
        snprintf(s->name, sizeof(s->name), "%.*s", SLICE_ARGS(x->ask.helo));
    else
        snprintf(s->name, sizeof(s->name), "[%s%s]", s->client.address.family == 6 ? "IPv6:" : "", s->client_text);
    s->esmtp = true;
    if (is_named)
        pass(x, STAGE_HELO, NULL);
    else
        tell_rule(x, "no helo= was given: what it would be judged by is not asked");
    session_move(s, PHASE_HELLO);
}

static void pass_sender(struct explain *x)
{
    struct session *s = x->session;
    struct transaction *t = &s->transaction;
    transaction_begin(s);
    t->sender = x->ask.from;
    t->begun = true;
    t->began_ms = clock_ms();
    pass(x, STAGE_MAIL, NULL);
    session_move(s, PHASE_MAIL);
}

static void pass_recipient(struct explain *x)
{
    struct transaction *t = &x->session->transaction;
    const struct reply *objection = envelope_objection(x->session, &x->ask.to);
    if (objection != NULL)
        end_refused(x, STAGE_RCPT, objection);
    pass(x, STAGE_RCPT, &x->ask.to);
    t->accepted_recipients = 1;
    t->exempt_recipients = t->exempt;
    session_move(x->session, PHASE_RCPT);
    pass(x, STAGE_DATA, NULL);
}

static _Noreturn void explain(struct explain *x)
{
    struct session *s = x->session;
    if (s->options->tls.mode == TLS_MODE_IMPLICIT)
        pass(x, STAGE_TLS, NULL);
    pass(x, STAGE_CONNECT, NULL);
    pass(x, STAGE_GREETING, NULL);
    if (x->ask.helo.size > 0 || x->ask.has_from || x->ask.login.size > 0)
        pass_hello(x);
    pass_login(x);
    if (x->ask.has_from)
        pass_sender(x);
    if (x->ask.has_to)
        pass_recipient(x);
    end_open(x, x->ask.has_to);
}

/* Descriptors get the numbers that the sandbox's rules go by. */
static void confine(struct explain *x, const struct explainer_setup *setup)
{
    static const char nobody[1];
    if (setup->sandbox_mode != SANDBOX_OFF && !sandbox_make_way(&x->fd))
        complain(x, "the connection cannot be kept in the sandbox", NULL);
    if (!sandbox_enter(setup->sandbox, setup->sandbox_mode, SANDBOX_WORKER, nobody, sizeof(nobody)))
        complain(x, "the sandbox cannot be entered", NULL);
}

_Noreturn void explain_main(const struct explainer_setup *setup)
{
    struct explain *x = calloc(1, sizeof(*x));
    const char *why;
    if (x == NULL)
        _exit(1);
    x->fd = setup->fd;
    x->deadline_ms = setup->deadline_ms;
    buffer_init(&x->out, x->memory, sizeof(x->memory));
    confine(x, setup);
    if (!explain_ask_parse(setup->words, setup->word_count, &x->ask, &why))
        complain(x, why, TRY);
    const struct explained_listener *listener = find_listener(setup, x->ask.listener);
    if (listener == NULL)
        complain(x, "there is no such listener", "posternctl status");
    if (listener->service == NULL)
        complain(x, "the configuration is being read just now", "the same again");
    set_up(x, setup, listener);
    tell_client(x);
    tell_rules(x, listener->service);
    explain(x);
}
