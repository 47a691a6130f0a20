/* SPDX-License-Identifier: ISC
 *
 * spf_run - one evaluation's questions to DNS, counted: ten terms that ask, two of them in vain, over all includes and
 * redirects together (RFC 7208 section 4.6.4). libspf2 counts each record for itself, which let a tree of includes ask
 * 111,111 times.
 *
 * The first thing that ends it before its time (too many, no answer) is the result, whatever is evaluated after that;
 * nothing more is asked then. The time is the session's for DNS (lookups.h).
 */
#ifndef POSTERN_WORKERS_SPF_RUN_H
#define POSTERN_WORKERS_SPF_RUN_H

#include "common/buffer.h"
#include "workers/lookups.h"
#include "workers/spf/spf.h"

enum spf_asked_by {
    SPF_BY_START, /* the domain's own record: not counted */
    SPF_BY_TERM,
    SPF_BY_PTR,     /* counted; trouble is no match, not temperror (section 5.5) */
    SPF_BY_MX_NAME, /* part of a term that was counted */
    SPF_BY_PTR_NAME,
    SPF_BY_MACRO /* %{p}: not counted, trouble is no name */
};

struct spf_run {
    const struct spf_question *question;
    struct lookups *lookups;
    spf_heard *heard; /* may be NULL */
    void *context;
    int terms, voids, told;
    bool is_over;
    bool looked_for_name;
    char client_name[DNS_NAME_MAX + 1];
    struct spf_answer answer; /* once it is over */
};

/* NULL: there is nothing to match, be it that no such record is there, that the name is none, or that it is over. Good
 * until the next question. */
const struct lookup *spf_run_ask(struct spf_run *run, enum spf_asked_by by, enum dns_type type, const char *name);
/* The name's own record, rewritten (spf_record.h). False: it has none, or it is over. */
bool spf_run_load(struct spf_run *run, enum spf_asked_by by, const char *name, struct buffer *out);
/* For %{p}: one of the names of the client's address that lead back to it, "unknown" without one (section 7.3). Looked
 * for where the question does not say, once. */
const char *spf_run_client_name(struct spf_run *run);
/* Counts where that comes before. */
void spf_run_end(struct spf_run *run, enum spf_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
