/* SPDX-License-Identifier: ISC
 *
 * dnsbl - DNS lists (RFC 5782): of the client's address, of the name that it gives itself, of the sender's domain.
 *
 * Those of the client are asked at CONNECT, all at once, and heard before the banner: that takes what the slowest one
 * takes, beside whatever else delays the banner. A list that does not answer counts nothing; where no list answered at
 * all the check is unsure. One that is broken is as if it were not named: mail neither waits nor is refused for it.
 *
 * A good reputation spares nobody: two messages make one, and a machine that sends junk gets so many through before any
 * list knows it.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/lists/list_answer.h"
#include "workers/session.h"

#define TEXT_REFUSED  "Refused: %.*s is listed by %s"
#define TEXT_DEFERRED "Not now: %.*s is listed by %s, try again later"

enum { TOLD_QUIET_S = 600, TXT_SHOWN_MAX = 120, SHOWN_MAX = 100 };

struct session_memory {
    char reply[WAITING_TEXT_MAX], reason[NOTE_TEXT_MAX];
};

/* -- whom lists are asked about -- */

struct subject {
    unsigned of; /* LIST_OF_.. */
    enum lookup_scope scope;
    const struct ipaddr *address; /* of the client; NULL: it is a domain */
    struct slice domain;
};

/* Nobody outside knows who has such an address; a list that lists it is wrong. */
static bool is_private(const struct ipaddr *address)
{
    static const struct network networks[] = {
        {{4, {10}}, 8},        {{4, {172, 16}}, 12},    {{4, {192, 168}}, 16},
        {{4, {169, 254}}, 16}, {{6, {0xfe, 0x80}}, 10}, {{6, {0xfc}}, 7},
    };
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
        if (network_holds(&networks[i], address))
            return true;
    return ipaddr_is_loopback(address);
}

/* An address is no name, and lists of names are hard on who asks them about one. */
static bool is_domain(struct slice name)
{
    size_t last = name.size;
    uint64_t number;
    while (last > 0 && name.at[last - 1] != '.')
        last--;
    return last > 0 && dns_name_is_valid(name) &&
           !slice_to_number(slice_make(name.at + last, name.size - last), &number);
}

static struct slice domain_of(const struct session *s, unsigned of)
{
    return slice_without_dot(of == LIST_OF_HELO ? slice_of(s->name) : s->transaction.sender.domain);
}

static bool has_list(const struct dnsbl_options *options, unsigned of)
{
    for (size_t i = 0; i < options->lists.count; i++) {
        const struct list *list = block_at(&options->lists, i);
        if ((list->of & of) != 0)
            return true;
    }
    return false;
}

static const char *why_not_client(const struct check_call *call)
{
    const struct session *s = call->session;
    const struct dnsbl_options *options = call->options;
    if (s->client.kind != ENDPOINT_IP)
        return "without an address";
    if (is_private(&s->client.address))
        return "a private address";
    if (session_client_is_in(s, &options->except))
        return "in `except'";
    return call->allowed || s->auth != NULL ? "allowed" : NULL;
}

/* False: nothing is asked; *why_out says why, NULL: that goes without saying. */
static bool find_subject(const struct check_call *call, unsigned of, struct subject *out, const char **why_out)
{
    const struct session *s = call->session;
    *out = (struct subject){.of = of, .scope = of == LIST_OF_SENDER ? LOOKUP_TRANSACTION : LOOKUP_SESSION};
    *why_out = NULL;
    if (!has_list(call->options, of))
        return false;
    *why_out = why_not_client(call);
    if (*why_out != NULL)
        return false;
    if (of == LIST_OF_CLIENT) {
        out->address = &s->client.address;
        return true;
    }
    out->domain = domain_of(s, of);
    if (out->domain.size > 0 && !is_domain(out->domain))
        *why_out = "no domain name";
    return is_domain(out->domain);
}

static struct slice shown(const struct check_call *call, const struct subject *subject)
{
    struct slice text = subject->address != NULL ? slice_of(call->session->client_text) : subject->domain;
    return slice_make(text.at, text.size < SHOWN_MAX ? text.size : SHOWN_MAX);
}

/* -- asking -- */

/* False: this list is not for such a client, or there is no room for its name. */
static bool name_question(const struct list *list, const struct subject *subject, char name[DNS_NAME_MAX + 1])
{
    if ((list->of & subject->of) == 0)
        return false;
    if (subject->address == NULL)
        return snprintf(name, DNS_NAME_MAX + 1, "%.*s.%s", SLICE_ARGS(subject->domain), list_zone(list)) <=
               DNS_NAME_MAX;
    return (subject->address->family == 6 ? list->ipv6 : list->ipv4) &&
           dns_reverse_name(name, subject->address, list_zone(list));
}

static struct scoreboard *board_of(const struct check_call *call)
{
    return call->session->setup->board;
}

static struct dnslist_facts facts_of(const struct check_call *call, const struct list *list)
{
    const struct scoreboard *board = board_of(call);
    return dnslist_read(board != NULL && list->self_test ? board->list_tests : NULL, list_test_hash(list));
}

static void ask(struct check_call *call, unsigned of)
{
    const struct dnsbl_options *options = call->options;
    struct subject subject;
    const char *why;
    char name[DNS_NAME_MAX + 1];
    if (!find_subject(call, of, &subject, &why)) {
        if (why != NULL)
            note(call, "nothing is asked: %s", why);
        return;
    }
    for (size_t i = 0; i < options->lists.count; i++) {
        const struct list *list = block_at(&options->lists, i);
        if (name_question(list, &subject, name) && facts_of(call, list).state != DNSLIST_BROKEN)
            lookups_ask(call->lookups, subject.scope, DNS_A, name);
    }
}

/* -- hearing -- */

struct answer {
    const struct list *list;
    const struct lookup *lookup; /* NULL: it was not asked */
    bool is_waited_for;
};

struct finding {
    const struct subject *subject;
    int asked, answered;
    int points;
    bool is_good; /* on a list of those */
    const struct answer *worst;
    enum list_action action;
    struct buffer listed_by; /* names, for the reason */
};

/* The same questions again are the same lookups. */
static size_t collect(struct check_call *call, const struct subject *subject, struct answer answers[LISTS_MAX])
{
    const struct dnsbl_options *options = call->options;
    int64_t deadline_ms = clock_deadline(options->wait_ms);
    char name[DNS_NAME_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < options->lists.count; i++) {
        const struct list *list = block_at(&options->lists, i);
        struct dnslist_facts facts = facts_of(call, list);
        if (!name_question(list, subject, name))
            continue;
        bool is_asked = facts.state != DNSLIST_BROKEN;
        answers[count++] =
            (struct answer){list, is_asked ? lookups_ask(call->lookups, subject->scope, DNS_A, name) : NULL,
                            is_asked && !dnslist_is_silent(&facts)};
    }
    for (size_t i = 0; i < count; i++)
        if (answers[i].is_waited_for)
            lookups_await_until(call->lookups, answers[i].lookup, deadline_ms);
    return count;
}

/* Now and then, whoever of the workers is the first. */
static void tell_error(const struct check_call *call, const struct list *list, const char *answer)
{
    struct scoreboard *board = board_of(call);
    struct record r;
    if (call->session->setup->looks_only)
        return;
    if (board != NULL && !dnslist_may_tell(board->list_counts, list_count_hash(list), clock_wall(), TOLD_QUIET_S))
        return;
    record_begin(&r, "dnsbl-error");
    record_string(&r, "list", list->name);
    record_string(&r, "answer", answer);
    record_send(&r, LEVEL_WARNING);
}

static void count(const struct check_call *call, const struct answer *answer, enum list_answer what)
{
    struct scoreboard *board = board_of(call);
    bool in_vain = what == LIST_NO_ANSWER;
    if (board == NULL || answer->lookup->timed || call->session->setup->looks_only)
        return;
    const struct dnslist_tally tally = {.asked = 1,
                                        .hits = what == LIST_LISTED,
                                        .errors = what == LIST_ERROR,
                                        .failures = in_vain,
                                        .took_ms = in_vain ? 0 : answer->lookup->took_ms,
                                        .took_most_ms = in_vain ? 0 : answer->lookup->took_ms};
    dnslist_add(board->list_counts, list_count_hash(answer->list), &tally);
}

static const enum action ACTIONS[] = {
    [LIST_SCORE] = ACTION_NONE, [LIST_DEFER] = ACTION_DEFER, [LIST_REJECT] = ACTION_REJECT, [LIST_DROP] = ACTION_DROP};

/* "zen.example: 127.0.0.4, 8 points", "pbl.example: 127.0.0.10, defer" */
static void note_hit(struct check_call *call, const struct list *list, enum list_action action, const char *address)
{
    char points[32] = "";
    if (list->score != 0 || action == LIST_SCORE)
        snprintf(points, sizeof(points), ", %d point%s", (int)list->score, list->score == 1 ? "" : "s");
    note(call, "%s: %s%s%s%s", list->name, address, points, action != LIST_SCORE ? ", " : "",
         action != LIST_SCORE ? action_name(ACTIONS[action]) : "");
}

/* Which of several lists refuses: the severest, of those the first. */
static void take_hit(struct check_call *call, const struct answer *answer, const char *address, struct finding *f)
{
    const struct list *list = answer->list;
    enum list_action action = list_action(call->options, list);
    note_hit(call, list, action, address);
    f->points += (int)list->score;
    f->is_good = f->is_good || list->score < 0;
    if (list->score >= 0)
        buffer_print(&f->listed_by, "%s%s", f->listed_by.end > 0 ? ", " : "", list->name);
    if (list->score < 0 && f->subject->address != NULL) /* RFC 8904 */
        result_add(call->results, "dnswl=pass dns.zone=%s policy.ip=%s", list->name, address);
    if (action > LIST_SCORE && action > f->action) {
        f->worst = answer;
        f->action = action;
    }
}

static void note_skipped(struct check_call *call, const struct list *list)
{
    char words[DNSLIST_WORDS_MAX];
    const struct dnslist_facts facts = facts_of(call, list);
    dnslist_trouble_words(&facts, words);
    note(call, "%s: skipped, its self-test failed: %s", list->name, words);
}

static void weigh(struct check_call *call, const struct answer *answer, struct finding *f)
{
    const struct list *list = answer->list;
    const struct ipaddr *which;
    char address[IPADDR_TEXT_MAX] = "";
    if (answer->lookup == NULL) {
        note_skipped(call, list);
        return;
    }
    enum dns_status status = lookups_await_until(call->lookups, answer->lookup, clock_ms());
    enum list_answer what = list_judge(list, status, answer->lookup->records, answer->lookup->count, &which);
    if (which != NULL)
        ipaddr_print(which, address);
    f->asked++;
    f->answered += what != LIST_NO_ANSWER;
    count(call, answer, what);
    if (what == LIST_LISTED) {
        take_hit(call, answer, address, f);
    } else if (what == LIST_ERROR) {
        note(call, "%s: %s, which is an error, not a hit", list->name, address);
        tell_error(call, list, address);
    } else {
        note(call, "%s: %s", list->name, what == LIST_NOT_LISTED ? "not listed" : "no answer");
    }
}

/* -- what follows -- */

/* The list's own words, as far as they may be shown. */
static void add_text(struct check_call *call, const struct finding *f, struct buffer *to)
{
    const struct dnsbl_options *options = call->options;
    const struct lookup *text = lookups_ask(call->lookups, f->subject->scope, DNS_TXT, f->worst->lookup->name);
    if (lookups_await_until(call->lookups, text, clock_deadline(options->wait_ms)) != DNS_FOUND)
        return;
    struct slice said = text->records[0].text;
    buffer_print(to, ": ");
    for (size_t i = 0; i < said.size && i < TXT_SHOWN_MAX; i++)
        buffer_put_char(to, said.at[i] >= ' ' && said.at[i] <= '~' ? said.at[i] : '?');
}

static struct slice print_reply(struct check_call *call, const struct finding *f)
{
    struct session_memory *memory = call->session_memory;
    const struct list *list = f->worst->list;
    struct slice who = shown(call, f->subject);
    struct buffer reply;
    buffer_init(&reply, memory->reply, sizeof(memory->reply));
    if (list->reply != NULL)
        buffer_print(&reply, "%s", list->reply);
    else if (f->action == LIST_DEFER)
        buffer_print(&reply, TEXT_DEFERRED, SLICE_ARGS(who), list->name);
    else
        buffer_print(&reply, TEXT_REFUSED, SLICE_ARGS(who), list->name);
    if (list->text)
        add_text(call, f, &reply);
    return buffer_unread(&reply);
}

static void refuse(struct check_call *call, const struct finding *f, struct verdict *verdict)
{
    verdict->action = ACTIONS[f->action];
    verdict->reply = f->action == LIST_DEFER ? (struct reply){451, "4.7.1", print_reply(call, f)}
                                             : (struct reply){554, "5.7.1", print_reply(call, f)};
}

static struct verdict conclude(struct check_call *call, const struct finding *f)
{
    struct session_memory *memory = call->session_memory;
    struct verdict verdict = {.score = f->points, .unsure = f->asked > 0 && f->answered == 0};
    if (verdict.unsure)
        note(call, "no list answered");
    if (f->listed_by.end > 0) {
        snprintf(memory->reason, sizeof(memory->reason), "listed by %.*s", SLICE_ARGS(buffer_unread(&f->listed_by)));
        verdict.reason = memory->reason;
    }
    if (f->worst != NULL && f->is_good)
        note(call, "%s refuses nobody who is known to be good", f->worst->list->name);
    else if (f->worst != NULL)
        refuse(call, f, &verdict);
    return verdict;
}

static struct verdict judge(struct check_call *call, unsigned of)
{
    struct subject subject;
    struct answer answers[LISTS_MAX];
    struct finding f = {.subject = &subject};
    const char *why;
    char names[NOTE_TEXT_MAX - sizeof("listed by ")];
    if (!find_subject(call, of, &subject, &why))
        return VERDICT_NONE;
    buffer_init(&f.listed_by, names, sizeof(names));
    size_t answer_count = collect(call, &subject, answers);
    for (size_t i = 0; i < answer_count; i++)
        weigh(call, &answers[i], &f);
    struct verdict verdict = conclude(call, &f);
    for (size_t i = 0; i < answer_count; i++)
        if (answers[i].lookup != NULL)
            lookup_set_timed(answers[i].lookup);
    return verdict;
}

/* -- the stages -- */

static void ask_client(struct check_call *call)
{
    ask(call, LIST_OF_CLIENT);
}

static void ask_helo(struct check_call *call)
{
    ask(call, LIST_OF_HELO);
}

static void ask_sender(struct check_call *call)
{
    ask(call, LIST_OF_SENDER);
}

static struct verdict judge_client(struct check_call *call)
{
    return judge(call, LIST_OF_CLIENT);
}

static struct verdict judge_helo(struct check_call *call)
{
    return judge(call, LIST_OF_HELO);
}

static struct verdict judge_sender(struct check_call *call)
{
    return judge(call, LIST_OF_SENDER);
}

extern const struct check check_dnsbl;
const struct check check_dnsbl = {
    .name = "dnsbl",
    .options = &dnsbl_block,
    .session_bytes = sizeof(struct session_memory),
    .ask = {[STAGE_CONNECT] = ask_client, [STAGE_HELO] = ask_helo, [STAGE_MAIL] = ask_sender},
    .judge = {[STAGE_GREETING] = judge_client, [STAGE_HELO] = judge_helo, [STAGE_MAIL] = judge_sender},
};
