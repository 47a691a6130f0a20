/* SPDX-License-Identifier: ISC
 *
 * list_answer - what an answer of a DNS list means. Pure.
 *
 * Errors are never hits: 127.255.255.0/24 is what lists say to who asks through a resolver that they do not serve, or
 * too much; an address outside 127.0.0.0/8 is a domain that was parked, or a resolver that lies. 127.0.0.1 is an error
 * where `replies` does not name it. One such address spoils the whole answer.
 */
#ifndef POSTERN_WORKERS_LISTS_LIST_ANSWER_H
#define POSTERN_WORKERS_LISTS_LIST_ANSWER_H

#include "workers/dns.h"
#include "workers/lists/list_options.h"

enum list_answer { LIST_NOT_LISTED, LIST_LISTED, LIST_ERROR, LIST_NO_ANSWER };

/* Of the A records of such a question. *which_out: the address that is the reason, of LIST_LISTED and LIST_ERROR; it is
 * one of the records. */
enum list_answer list_judge(const struct list *list, enum dns_status status, const struct dns_record *records,
                            int count, const struct ipaddr **which_out);

#endif
