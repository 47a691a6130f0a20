/* SPDX-License-Identifier: ISC
 *
 * fake_dns - stands in for workers/dns.c where a test owns what DNS says, and when.
 *
 *   NAME TYPE DATA..            a record; several for one name and type are several records
 *   NAME TYPE DATA.. after 3s   the answer comes so long after the question, by the clock (the longest one counts)
 *   NAME TYPE nodata            the name is there, without such records
 *   NAME TYPE fails             temporary trouble at once; fails after 3s
 *   NAME TYPE silent            no answer ever
 *
 * DATA: 192.0.2.1, 2001:db8::1; `10 mx.example.test`, `0 .`; a name; TXT: the rest of the line. Every other name does
 * not exist.
 */
#ifndef POSTERN_TESTS_FAKE_DNS_H
#define POSTERN_TESTS_FAKE_DNS_H

#include "workers/dns.h"

void fake_dns_clear(void);
/* False with *why_out; too many are one of the reasons. */
bool fake_dns_add(struct slice line, const char **why_out);
int fake_dns_asked(void); /* questions since fake_dns_clear */

#endif
