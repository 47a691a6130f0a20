/* SPDX-License-Identifier: ISC
 *
 * top - the live view of posternctl: polls posternd, draws, does what keys say.
 *
 * Each look costs the master two forks: `status`, and what the open pane shows; once a minute one more, `history`.
 * Not `stats`: it goes through the whole of the scoreboard's tables. No more than TOP_LISTED_MAX records are read of a
 * listing. Where posternd is not reached it goes on and says so.
 */
#ifndef POSTERN_CTL_TOP_H
#define POSTERN_CTL_TOP_H

enum { TOP_SECONDS_DEFAULT = 1, TOP_SECONDS_MAX = 60, TOP_LISTED_MAX = 1000 };

enum top_end { TOP_QUIT, TOP_NO_TERMINAL, TOP_UNREACHED };

/* Where it could not begin, that was said. */
enum top_end top_run(const char *socket, int seconds);

#endif
