/* SPDX-License-Identifier: ISC
 *
 * address_list - mailboxes as options name them: abuse@example.org, @example.org for all of a domain, postmaster for it
 * in every domain. Pure.
 */
#ifndef POSTERN_WORKERS_ADDRESS_LIST_H
#define POSTERN_WORKERS_ADDRESS_LIST_H

#include "common/config.h"
#include "workers/smtp/address.h"

/* No case; a dot at the domain's end is none. */
bool address_list_holds(const struct text_list *list, const struct path *path);
/* In a block's check: could each of `option` match something? */
bool address_list_check(struct config *config, const void *filled, const char *option, const struct text_list *list);

#endif
