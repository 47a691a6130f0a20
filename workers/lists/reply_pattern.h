/* SPDX-License-Identifier: ISC
 *
 * reply_pattern - which answers of a DNS list count, as Postfix's postscreen writes it: 127.0.0.2, 127.0.0.[2..11],
 * 127.[0..1;7].0.[2;4;8..15]. Each of the four octets is a number, or numbers and ranges of them in brackets. Pure.
 */
#ifndef POSTERN_WORKERS_LISTS_REPLY_PATTERN_H
#define POSTERN_WORKERS_LISTS_REPLY_PATTERN_H

#include "common/ipaddr.h"

bool reply_pattern_is_valid(struct slice pattern);
/* What is no pattern holds nothing. */
bool reply_pattern_holds(struct slice pattern, const struct ipaddr *address);

#endif
