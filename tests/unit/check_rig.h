/* SPDX-License-Identifier: ISC
 *
 * check_rig - one check of checks/table.c in a session that this file makes: options from a configuration, DNS from
 * tests/lib/fake_dns. A unit test asks it for verdicts; what follows from those, talks show.
 */
#ifndef POSTERN_TESTS_UNIT_CHECK_RIG_H
#define POSTERN_TESTS_UNIT_CHECK_RIG_H

#include "tests/lib/fake_dns.h"
#include "tests/lib/root_block.h"
#include "tests/unit/config_fixture.h"
#include "workers/session.h"

static struct rig {
    struct config *config;
    struct service service;
    struct session_setup setup;
    struct session *s;
    struct wait wait;
    struct dns *dns;
    void *prepared; /* by the check */
    int index;
} rig;

static inline void rig_end(void)
{
    if (rig.prepared != NULL)
        check_table[rig.index]->preparation->drop(rig.prepared);
    rig.prepared = NULL;
    if (rig.s != NULL)
        lookups_end_session(&rig.s->lookups);
    free(rig.s);
    rig.s = NULL;
    dns_free(&rig.dns);
    config_free(&rig.config);
    fake_dns_clear();
}

static inline char *rig_file(const char *policy)
{
    static char file[4096];
    snprintf(file, sizeof(file),
             "hostname = mx.test\nlistener mx { backend = b policy = p }\n"
             "backend b { server s { address = 127.0.0.1:1 } pass_client = xclient }\npolicy p { %s }\n",
             policy);
    return file;
}

static inline void rig_prepare(void)
{
    const struct preparation *by = check_table[rig.index]->preparation;
    struct check_fault fault = {.text = ""};
    if (by == NULL)
        return;
    rig.prepared = by->make(rig.s->options->policy->check_options[rig.index], &fault);
    if (rig.prepared == NULL)
        fail_msg("%s", fault.text);
}

/* A client of this address; `policy` as it stands in policy p { }. */
static inline void rig_begin(const char *check, const char *policy, const char *client)
{
    const char *why;
    rig_end();
    rig.config = load_ok(root_block(), rig_file(policy));
    const struct root *root = config_root(rig.config);
    const struct root_listener *listener = block_at(&root->listeners, 0);
    rig.service = (struct service){.hostname = root->hostname, .listener = "mx", .session = &listener->session};
    rig.dns = dns_new(NULL, &rig.wait);
    rig.setup = (struct session_setup){.service = &rig.service, .wait = &rig.wait, .dns = rig.dns};
    rig.s = calloc(1, sizeof(*rig.s));
    assert_non_null(rig.s);
    rig.s->setup = &rig.setup;
    rig.s->service = &rig.service;
    rig.s->options = &listener->session;
    assert_true(endpoint_parse(slice_of(client), &rig.s->client, &why));
    assert_true(endpoint_parse(slice_of("192.0.2.25:25"), &rig.s->local, &why));
    if (rig.s->client.kind == ENDPOINT_IP)
        ipaddr_print(&rig.s->client.address, rig.s->client_text);
    lookups_begin_session(&rig.s->lookups, rig.dns, NULL, 10000);
    for (rig.index = 0; strcmp(check_table[rig.index]->name, check) != 0; rig.index++)
        assert_non_null(check_table[rig.index + 1]);
    rig_prepare();
}

static inline void rig_dns(const char *line)
{
    const char *why;
    if (!fake_dns_add(slice_of(line), &why))
        fail_msg("%s: write %s", line, why);
}

static inline void rig_helo(const char *name)
{
    snprintf(rig.s->name, sizeof(rig.s->name), "%s", name);
}

static inline struct check_call rig_call(void)
{
    return (struct check_call){.check = check_table[rig.index],
                               .options = rig.s->options->policy->check_options[rig.index],
                               .prepared = rig.prepared,
                               .session = rig.s,
                               .session_memory = rig.s->check_session,
                               .transaction_memory = rig.s->check_transaction,
                               .notes = &rig.s->notes,
                               .lookups = &rig.s->lookups,
                               .results = &rig.s->results,
                               .spf = &rig.s->transaction.spf};
}

static inline void rig_ask(enum stage stage)
{
    struct check_call call = rig_call();
    if (call.check->ask[stage] != NULL)
        call.check->ask[stage](&call);
}

static inline struct verdict rig_judge_recipient(enum stage stage, const struct path *recipient)
{
    struct check_call call = rig_call();
    call.recipient = recipient;
    rig.s->notes.count = 0;
    rig_ask(stage);
    return call.check->judge[stage] != NULL ? call.check->judge[stage](&call) : VERDICT_NONE;
}

static inline struct verdict rig_judge(enum stage stage)
{
    return rig_judge_recipient(stage, NULL);
}

static inline const char *rig_note(void) /* the last one */
{
    return rig.s->notes.count > 0 ? rig.s->notes.items[rig.s->notes.count - 1].text : "";
}

#endif
