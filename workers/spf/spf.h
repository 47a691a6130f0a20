/* SPDX-License-Identifier: ISC
 *
 * spf - may this client send in the name of that domain (RFC 7208)? Evaluated by libspf2, which hears nothing but what
 * spf_record has rewritten, and asks DNS nowhere but in the session's lookups.
 *
 * All 203 cases of the suite for RFC 7208 hold, but for their explanations: exp= is never used. Names are ASCII: an
 * internationalised domain that was not sent as A-labels has no result (none). Where libspf2 runs out of memory or
 * finds a fault of its own the process ends, as WORKER_SHORT; it prints nothing and leaves no core.
 */
#ifndef POSTERN_WORKERS_SPF_H
#define POSTERN_WORKERS_SPF_H

#include "workers/lookups.h"

enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR, SPF_RESULTS };
const char *spf_result_name(enum spf_result result); /* as in RFC 8601: "softfail" */

enum { SPF_WHY_MAX = 160, SPF_TOLD_MAX = 20 };

struct spf_question {
    struct ipaddr client;
    struct slice sender; /* local@domain; empty: postmaster@helo (section 2.4) */
    struct slice helo;
    const char *hostname;    /* ours */
    const char *client_name; /* of the client's address, and confirmed; or NULL */
    enum lookup_scope scope; /* where its first answer is, or may be kept */
};

struct spf_answer {
    enum spf_result result;
    char why[SPF_WHY_MAX]; /* printable ASCII: "include:_spf.example.org", "no answer for example.org TXT" */
};

/* Told of each question that was asked, as "example.org TXT: v=spf1 -all"; of SPF_TOLD_MAX at most. */
typedef void spf_heard(void *context, const char *text);

/* The domain that is asked about, lower case; empty where there is none that could have a record. */
struct slice spf_domain(const struct spf_question *question, char domain_out[DNS_NAME_MAX + 1]);
/* Begins to ask for it; never waits. */
void spf_ask(const struct spf_question *question, struct lookups *lookups);
struct spf_answer spf_check(const struct spf_question *question, struct lookups *lookups, spf_heard *heard,
                            void *context);

#endif
