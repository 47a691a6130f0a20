/* SPDX-License-Identifier: ISC
 *
 * adopted - generations of the program that was here before (upgrade.h): their workers go on by a configuration that
 * this program has not read. What is known of it is enough to show, log and retire them; nobody is forked from it.
 */
#ifndef POSTERN_DAEMON_ADOPTED_H
#define POSTERN_DAEMON_ADOPTED_H

#include "daemon/legacy.h"
#include "daemon/places.h"
#include "daemon/succession.h"

void adopted_write(const struct succession *s, struct legacy *to);

/* Before any plan is made: servers keep the places in the scoreboard that workers know them by. The generations that
 * adopted_read makes have them afterwards. */
void adopted_keep_places(struct legacy *from, struct places *places);
/* Into an empty succession; what is wrong is said by legacy_is_good. */
void adopted_read(struct succession *s, struct legacy *from);

/* Of a generation that is over. `places` may be NULL: none were kept. */
void adopted_drop(struct plan **plan, struct places *places);

#endif
