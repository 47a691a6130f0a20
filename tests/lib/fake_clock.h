/* SPDX-License-Identifier: ISC
 *
 * fake_clock - stands in for common/clock.c where a test owns the time.
 *
 * Time stands still until the owner moves it. clock_poll asks the descriptors without waiting; when none is ready and
 * the deadline is still ahead, the owner is called: it changes something (writes into a socket, moves the time) and
 * clock_poll looks again. Without an owner the time jumps to each deadline at once.
 */
#ifndef POSTERN_TESTS_FAKE_CLOCK_H
#define POSTERN_TESTS_FAKE_CLOCK_H

#include <stdint.h>

/* Called when whoever asked would have to wait until `deadline_ms`. It must change something, or not return. */
typedef void fake_clock_owner(int64_t deadline_ms);

void fake_clock_own(fake_clock_owner *owner);
void fake_clock_move_to(int64_t now_ms); /* never backwards */

#endif
