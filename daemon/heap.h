/* SPDX-License-Identifier: ISC
 *
 * heap - the master's free memory, out of its children's way.
 *
 * A child shares the master's pages until it writes to them. What malloc has free lies between the master's own pieces,
 * and a child is given that first: each few octets cost it a page, a hundred KiB a session that asks DNS or shakes
 * hands. So the master takes all of it for itself before it forks; what children ask for then lies together, on pages
 * of their own, which can be given back.
 */
#ifndef POSTERN_DAEMON_HEAP_H
#define POSTERN_DAEMON_HEAP_H

void heap_fill(void);
void heap_empty(void); /* all of it is free again: before much is asked for */

#endif
