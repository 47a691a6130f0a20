/* SPDX-License-Identifier: ISC
 *
 * dns_answer - an answer as it came from the network, taken apart into records that may be used. Pure.
 *
 * Only records count whose owner is the name that was asked for, or the one that its CNAMEs led to. A record of the
 * wrong size, or with a name that is none, is left out; an answer that is broken anywhere before its end is no answer.
 */
#ifndef POSTERN_WORKERS_DNS_ANSWER_H
#define POSTERN_WORKERS_DNS_ANSWER_H

#include "workers/dns.h"

enum { DNS_ANSWER_TEXT_BYTES = 65536 };

struct dns_answer {
    struct dns_record records[DNS_RECORDS_MAX]; /* point into text */
    int count;
    bool cut;
    size_t used;
    char text[DNS_ANSWER_TEXT_BYTES];
};

/* DNS_FOUND, DNS_NO_DATA, DNS_NO_NAME, or DNS_FAILED for what is no answer, or not a whole one. */
enum dns_status dns_answer_parse(struct dns_answer *out, enum dns_type type, const unsigned char *octets, int size);

#endif
