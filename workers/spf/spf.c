/* SPDX-License-Identifier: ISC */
#include "workers/spf/spf_library.h"

const char *spf_result_name(enum spf_result result)
{
    static const char *const names[SPF_RESULTS] = {
        [SPF_NONE] = "none",         [SPF_NEUTRAL] = "neutral",     [SPF_PASS] = "pass",          [SPF_FAIL] = "fail",
        [SPF_SOFTFAIL] = "softfail", [SPF_TEMPERROR] = "temperror", [SPF_PERMERROR] = "permerror"};
    return names[result];
}

struct slice spf_domain(const struct spf_question *question, char domain_out[DNS_NAME_MAX + 1])
{
    struct slice domain = question->sender.size > 0 ? question->sender : question->helo;
    size_t at = domain.size;
    while (question->sender.size > 0 && at > 0 && domain.at[at - 1] != '@')
        at--;
    if (question->sender.size > 0)
        slice_drop(&domain, at);
    domain = slice_without_dot(domain);
    if (!dns_name_is_valid(domain) || !slice_has(domain, '.') || domain.size > DNS_NAME_MAX)
        return slice_make(domain_out, 0);
    for (size_t i = 0; i < domain.size; i++)
        domain_out[i] = ascii_lower(domain.at[i]);
    domain_out[domain.size] = '\0';
    return slice_make(domain_out, domain.size);
}

void spf_ask(const struct spf_question *question, struct lookups *lookups)
{
    char domain[DNS_NAME_MAX + 1];
    if (spf_domain(question, domain).size > 0)
        lookups_ask(lookups, question->scope, DNS_TXT, domain);
}

struct spf_answer spf_check(const struct spf_question *question, struct lookups *lookups, spf_heard *heard,
                            void *context)
{
    struct spf_run run = {.question = question, .lookups = lookups, .heard = heard, .context = context};
    char domain[DNS_NAME_MAX + 1];
    if (spf_domain(question, domain).size > 0)
        spf_library_run(&run, domain);
    else
        spf_run_end(&run, SPF_NONE, "no domain that could have an SPF record");
    return run.answer;
}
