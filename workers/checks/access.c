/* SPDX-License-Identifier: ISC
 *
 * access - whom an administrator's lists name: allowed, rejected, deferred, or worth points; by the client's address,
 * the name that DNS has for it, its name in HELO, the sender, the recipient. DNS is asked for the name only where a
 * list has names of clients.
 *
 * An allow is an allow of the client; of a sender, which is the message's alone, it is said of each recipient.
 */
#include <stdio.h>
#include <string.h>

#include "common/must.h"
#include "workers/access/access_lists.h"
#include "workers/client_name.h"
#include "workers/session.h"

static const struct reply REPLY_REJECT = REPLY(554, "5.7.1", ""), REPLY_DEFER = REPLY(450, "4.7.1", "");

/* Why it was refused, for the log: for as long as what was judged lasts. */
struct session_memory {
    char reason[NOTE_TEXT_MAX];
};
struct transaction_memory {
    bool allows; /* the sender is allowed */
    char reason[NOTE_TEXT_MAX];
};

static const struct access_lists *lists_of(const struct check_call *call)
{
    must(call->prepared != NULL);
    return call->prepared;
}

/* "client 192.0.2.7 rejected by /etc/postern/enemies:12" */
static void describe(const struct access_hit *hit, const char *what, struct slice whom, char text[NOTE_TEXT_MAX])
{
    static const char *const words[] = {[ACCESS_ALLOW] = "allowed",
                                        [ACCESS_REJECT] = "rejected",
                                        [ACCESS_DEFER] = "deferred",
                                        [ACCESS_SCORE] = "scored"};
    int size = whom.size < NOTE_TEXT_MAX / 2 ? (int)whom.size : NOTE_TEXT_MAX / 2;
    int used = snprintf(text, NOTE_TEXT_MAX, "%s %.*s %s by %s", what, size, whom.at, words[hit->action], hit->source);
    if (hit->line > 0 && used < NOTE_TEXT_MAX)
        snprintf(text + used, NOTE_TEXT_MAX - (size_t)used, ":%u", hit->line);
}

static struct verdict refuse(enum action action, const struct reply *code, const char *text, const char *reason)
{
    struct verdict verdict = {.action = action, .reply = *code, .reason = reason};
    verdict.reply.text = slice_of(text);
    return verdict;
}

static struct verdict follow(struct check_call *call, const struct access_hit *hit, const char *what, struct slice whom,
                             char reason[NOTE_TEXT_MAX])
{
    const struct access_options *options = call->options;
    int points = hit->rest != NULL && hit->action == ACCESS_SCORE ? access_points_of(hit->rest) : (int)options->points;
    char text[NOTE_TEXT_MAX];
    describe(hit, what, whom, text);
    if (hit->action == ACCESS_SCORE)
        note(call, "%s, %d points", text, points);
    else
        note(call, "%s", text);
    if (hit->action == ACCESS_SCORE)
        return (struct verdict){.score = points};
    if (hit->action == ACCESS_ALLOW)
        return (struct verdict){.allow = true};
    memcpy(reason, text, sizeof(text));
    if (hit->action == ACCESS_REJECT)
        return refuse(ACTION_REJECT, &REPLY_REJECT, hit->rest != NULL ? hit->rest : options->reply, reason);
    return refuse(ACTION_DEFER, &REPLY_DEFER, hit->rest != NULL ? hit->rest : options->reply_later, reason);
}

static struct verdict judge_client(struct check_call *call)
{
    const struct session *s = call->session;
    struct session_memory *memory = call->session_memory;
    struct access_hit hit;
    if (s->client.kind != ENDPOINT_IP || !access_find_client(lists_of(call), &s->client.address, &hit))
        return VERDICT_NONE;
    return follow(call, &hit, "client", slice_of(s->client_text), memory->reason);
}

static void ask_name(struct check_call *call)
{
    const struct session *s = call->session;
    if (s->client.kind == ENDPOINT_IP && access_knows_names(lists_of(call)))
        client_name_ask(call->lookups, &s->client.address);
}

/* A name that cannot be heard might have been in a list. */
static struct verdict judge_name(struct check_call *call)
{
    struct session_memory *memory = call->session_memory;
    struct access_hit hit;
    if (!access_knows_names(lists_of(call)))
        return VERDICT_NONE;
    const struct client_name *known = client_name_hear(call->lookups);
    if (known->state == CLIENT_NAME_FAILED)
        note(call, "client name: no answer");
    if (known->state == CLIENT_NAME_FAILED)
        return (struct verdict){.unsure = true, .reason = "client name: no answer"};
    if (known->name == NULL || !access_find_name(lists_of(call), slice_of(known->name), &hit))
        return VERDICT_NONE;
    return follow(call, &hit, "client", slice_of(known->name), memory->reason);
}

static struct verdict judge_helo(struct check_call *call)
{
    const struct slice name = slice_of(call->session->name);
    struct session_memory *memory = call->session_memory;
    struct access_hit hit;
    if (!access_find_helo(lists_of(call), name, &hit))
        return VERDICT_NONE;
    return follow(call, &hit, "helo", name, memory->reason);
}

/* As the log writes it. What does not fit is not said. */
static struct slice address_of(const struct path *path, char text[PATH_MAX_OCTETS])
{
    struct buffer to;
    buffer_init(&to, text, PATH_MAX_OCTETS);
    path_print(&to, path);
    return buffer_unread(&to);
}

static struct verdict judge_sender(struct check_call *call)
{
    const struct path *sender = &call->session->transaction.sender;
    struct transaction_memory *memory = call->transaction_memory;
    char text[PATH_MAX_OCTETS];
    struct access_hit hit;
    memory->allows = false;
    if (!access_find_path(lists_of(call), ACCESS_SENDER, sender, &hit))
        return VERDICT_NONE;
    struct verdict verdict = follow(call, &hit, "sender", address_of(sender, text), memory->reason);
    memory->allows = verdict.allow;
    verdict.allow = false;
    return verdict;
}

static struct verdict judge_recipient(struct check_call *call)
{
    struct transaction_memory *memory = call->transaction_memory;
    char text[PATH_MAX_OCTETS];
    struct access_hit hit;
    if (memory->allows)
        return (struct verdict){.allow = true};
    if (!access_find_path(lists_of(call), ACCESS_RECIPIENT, call->recipient, &hit))
        return VERDICT_NONE;
    return follow(call, &hit, "recipient", address_of(call->recipient, text), memory->reason);
}

/* -- what is made before -- */

static const char *file(const void *options, size_t number)
{
    const struct access_options *access = options;
    for (int of = 0; of < ACCESS_OFS; of++)
        for (int action = 0; action < ACCESS_ACTIONS; action++) {
            const struct text_list *list = &access->lists[of][action];
            for (size_t i = 0; i < list->count; i++)
                if (access_file_of(list->items[i]) != NULL && number-- == 0)
                    return access_file_of(list->items[i]);
        }
    return NULL;
}

static void *make(const void *options, struct check_fault *fault_out)
{
    return access_lists_new(options, fault_out);
}

static void drop(void *made)
{
    struct access_lists *lists = made;
    access_lists_free(&lists);
}

static const struct preparation preparation = {file, make, drop};

extern const struct check check_access;
const struct check check_access = {
    .name = "access",
    .options = &access_block,
    .preparation = &preparation,
    .session_bytes = sizeof(struct session_memory),
    .transaction_bytes = sizeof(struct transaction_memory),
    .ask = {[STAGE_CONNECT] = ask_name},
    .judge = {[STAGE_CONNECT] = judge_client,
              [STAGE_GREETING] = judge_name,
              [STAGE_HELO] = judge_helo,
              [STAGE_MAIL] = judge_sender,
              [STAGE_RCPT] = judge_recipient},
};
