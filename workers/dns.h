/* SPDX-License-Identifier: ISC
 *
 * dns - questions to the resolver through c-ares, many at once: asked without waiting, answered while something else is
 * waited for, or when they are waited for.
 *
 * One struct dns for each process, made after the fork; the channel, its memory and sockets come with the first
 * question. It is a guest of `wait`, so answers are taken in while the session waits for anything; who waits for DNS
 * itself uses dns_wait. A process with a loop of its own (the housekeeper) has no `wait` and uses dns_fd, dns_next_ms
 * and dns_step.
 *
 * Answers are hostile: what a record holds was checked before anybody sees it. A name is one by dns_name_is_valid, an
 * address has its size, a TXT is any octets (its strings joined). Records that fail that are left out; an answer that
 * is no DNS at all is DNS_FAILED. At most DNS_RECORDS_MAX records of an answer are given, and dns_heard's `cut` says
 * that there were more.
 *
 * Only NXDOMAIN and an answer without such a record are answers; everything else (SERVFAIL, REFUSED, silence, no
 * memory) is DNS_FAILED: temporary. tests/lib/fake_dns.c takes the place of this unit in talks.
 */
#ifndef POSTERN_WORKERS_DNS_H
#define POSTERN_WORKERS_DNS_H

#include "common/ipaddr.h"
#include "common/wait.h"
#include "workers/resolver.h"

enum dns_type { DNS_A, DNS_AAAA, DNS_MX, DNS_PTR, DNS_TXT, DNS_TYPES };
const char *dns_type_name(enum dns_type type); /* "A" */

enum dns_status {
    DNS_ASKED,   /* no answer yet */
    DNS_FOUND,   /* with records, one at least */
    DNS_NO_DATA, /* the name is there, without such records */
    DNS_NO_NAME, /* NXDOMAIN */
    DNS_FAILED   /* temporary */
};
const char *dns_status_name(enum dns_status status); /* "asked", "found", "no data", "no such name", "no answer" */

enum { DNS_NAME_MAX = 253, DNS_RECORDS_MAX = 64, DNS_TEXT_MAX = 4096 };

/* What it is for depends on the type. `name` (lower case, no dot at the end; "" for the root, a null MX) and `text`
 * last as long as their owner says. */
struct dns_record {
    struct ipaddr address; /* A, AAAA; an IPv4-mapped one is IPv4 (ipaddr.h) */
    uint16_t preference;   /* MX; the records are in its order */
    const char *name;      /* MX, PTR */
    struct slice text;     /* TXT; what is longer than DNS_TEXT_MAX is left out */
};

/* The records last until it returns. */
typedef void dns_heard(void *context, uint32_t ticket, enum dns_status status, const struct dns_record *records,
                       int count, bool cut);

struct dns;

/* `wait` may be NULL. NULL: no memory. */
struct dns *dns_new(const struct resolver *resolver, struct wait *wait);
void dns_free(struct dns **dns);

/* `heard` is called once, perhaps before this returns; not at all after dns_forget. The name must be one that may be
 * asked for. */
void dns_ask(struct dns *dns, enum dns_type type, const char *name, dns_heard *heard, void *context, uint32_t ticket);
/* No question is open any more. */
void dns_forget(struct dns *dns);
/* Nothing will be asked for a while: what questions need, 150 KiB, is given back, and had anew with the next one.
 * False: one is open. */
bool dns_rest(struct dns *dns);
/* Until something more was heard (IO_OK), or as wait_for. Tries that were in vain are made again meanwhile. */
enum io dns_wait(struct dns *dns, int64_t deadline_ms) IO_MUST_USE;

/* For a loop of its own: readable when there is something to do, -1: nothing was asked yet; when to do something at the
 * latest; and do it. */
int dns_fd(const struct dns *dns);
int64_t dns_next_ms(const struct dns *dns);
void dns_step(struct dns *dns);

/* -- names, pure -- */

/* Labels of 1 to 63 letters, digits, '-' and '_', DNS_NAME_MAX altogether; a dot at the end is allowed. */
bool dns_name_is_valid(struct slice name);
/* .. and that may be a host's, for whoever inside is told of it: labels begin and end with a letter, a digit or '_',
 * and the last one is no number: an address is none. */
bool dns_name_is_host(struct slice name);
/* May be asked for: labels of printable ASCII. SPF macros make names with a mailbox in them, which nobody could
 * register; a backslash is an escape to c-ares. */
bool dns_question_is_valid(struct slice name);
/* "2.0.0.127.zone", "1.0.0.0.[..].8.b.d.0.1.0.0.2.zone"; with zone NULL in-addr.arpa or ip6.arpa (RFC 3596 section 2.5,
 * RFC 5782 section 2). False: too long, or no address. */
bool dns_reverse_name(char name_out[DNS_NAME_MAX + 1], const struct ipaddr *address, const char *zone);

#endif
