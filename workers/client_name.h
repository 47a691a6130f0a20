/* SPDX-License-Identifier: ISC
 *
 * client_name - who the client is by name: what PTR says of its address, and whether such a name leads back to it (RFC
 * 8601 section 2.7.3, as Postfix does it).
 *
 * Whoever wants to know asks first; it is asked once in a session. Up to CLIENT_NAMES_MAX names are looked at, in the
 * order of the answer, all at once; the first that leads back counts. A name that is no host name (dns_name_is_host) is
 * none: it goes into XCLIENT and Received, too. A client without an address is never asked about.
 */
#ifndef POSTERN_WORKERS_CLIENT_NAME_H
#define POSTERN_WORKERS_CLIENT_NAME_H

#include "common/ipaddr.h"

struct attribute_value;
struct lookup;
struct lookups;

enum { CLIENT_NAMES_MAX = 8 };

enum client_name_state {
    CLIENT_NAME_NOT_ASKED,
    CLIENT_NAME_ASKED,       /* not all is heard yet */
    CLIENT_NAME_NONE,        /* no PTR */
    CLIENT_NAME_UNCONFIRMED, /* no address of those names is the client's */
    CLIENT_NAME_CONFIRMED,
    CLIENT_NAME_FAILED /* temporary; a reverse_name may be known all the same */
};

/* In struct lookups. Zero: not asked. The names last as long as the session's answers do. */
struct client_name {
    enum client_name_state state;
    const char *name;         /* confirmed; else NULL */
    const char *reverse_name; /* the same where there is one, or the first that PTR says; NULL: none */
    struct ipaddr address;
    const struct lookup *pointer;
    struct client_name_candidate {
        const char *name;
        const struct lookup *addresses;
    } candidates[CLIENT_NAMES_MAX];
    int count;
};

/* Never waits. Not the first time: nothing happens. */
void client_name_ask(struct lookups *lookups, const struct ipaddr *address);
/* Goes on as far as the answers are there already; never waits. */
void client_name_go_on(struct lookups *lookups);
/* Waits for what is to be heard. NOT_ASKED when nobody has, else none of ASKED. */
const struct client_name *client_name_hear(struct lookups *lookups);
/* What another gate says: a name is taken as confirmed, and nothing is asked. All else is no name, and may be asked. */
void client_name_take(struct lookups *lookups, const struct attribute_value *name,
                      const struct attribute_value *reverse_name);

/* Once all is heard, in the words of XCLIENT. A name that another gate told stays, and what it said
 * beside; that it does not know the name now does not. */
void client_name_say(const struct client_name *known, struct attribute_value *name,
                     struct attribute_value *reverse_name);

#endif
