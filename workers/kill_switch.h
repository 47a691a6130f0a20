/* SPDX-License-Identifier: ISC
 *
 * kill_switch - ends the session that an administrator named: SIGUSR2 says that there is an order (common/orders.h).
 *
 * The handler compares the order with the session that is served now, and shuts the outside connection down when it is
 * that one's; everything else is the usual way of a client that hung up, also that between the final dot and inside's
 * answer the answer is awaited (L9). What the handler needs is one file-scope struct: armed before a session is served,
 * disarmed before its descriptor is closed, so that no other descriptor and no other session is ever hit.
 */
#ifndef POSTERN_WORKERS_KILL_SWITCH_H
#define POSTERN_WORKERS_KILL_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

struct orders;

bool kill_switch_install(void); /* once in a worker; false with errno */
/* Also looks whether the order is there already. `orders` NULL: nobody gives any. */
void kill_switch_arm(const struct orders *orders, int slot, uint64_t session_number, int outside_fd);
void kill_switch_disarm(void);
bool kill_switch_is_pulled(void); /* for the session that was armed last */

#endif
