/* SPDX-License-Identifier: ISC
 *
 * domain_list - domains as options name them: example.org, .example.org for all below it, [192.0.2.1], * for every one.
 * Pure.
 */
#ifndef POSTERN_WORKERS_DOMAIN_LIST_H
#define POSTERN_WORKERS_DOMAIN_LIST_H

#include "common/config.h"

/* No case; a dot at its end is none. */
bool domain_list_holds(const struct text_list *list, struct slice domain);
/* In a block's check: could each of `option` match something? */
bool domain_list_check(struct config *config, const void *filled, const char *option, const struct text_list *list);

#endif
