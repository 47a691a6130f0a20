/* SPDX-License-Identifier: ISC
 *
 * nowhere - do mail servers' addresses lead to anybody? Loopback, unspecified, link-local, multicast and reserved ones
 * do not. Private ones are not among them: whose network that is nobody here knows.
 */
#ifndef POSTERN_WORKERS_NOWHERE_H
#define POSTERN_WORKERS_NOWHERE_H

#include "workers/lookups.h"

enum { NOWHERE_SERVERS_MAX = 8 };
enum nowhere { NOWHERE_NOT, NOWHERE_UNKNOWN /* no answer */, NOWHERE_ALL };

bool nowhere_holds(const struct ipaddr *address); /* pure */
/* Each of these addresses, be there any or not. */
bool nowhere_holds_all(const struct lookup *addresses);
/* Where the first NOWHERE_SERVERS_MAX of MX lead, asked all at once and waited for. One that leads somewhere is enough;
 * where all lead nowhere but there are more of them, that is NOT. */
enum nowhere nowhere_of_servers(struct lookups *lookups, const struct lookup *mx);

#endif
