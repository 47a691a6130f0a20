/* SPDX-License-Identifier: ISC
 *
 * places - which inside server has which place in the scoreboard's regions heard and health.
 *
 * A server keeps its place as long as a plan that names it lives, whatever its neighbours in the file; and no other
 * gets it meanwhile. Or workers of an earlier configuration, who write there what they hear, would say it of another
 * server.
 */
#ifndef POSTERN_DAEMON_PLACES_H
#define POSTERN_DAEMON_PLACES_H

#include "common/scoreboard.h"

#include "daemon/plan.h"

struct place {
    int users; /* plans; 0: free */
    char *backend, *name;
    struct endpoint address;
};

struct places {
    struct place all[SCOREBOARD_SERVERS_MAX];
};

/* The server's place, -1: all are taken. One more plan has it, until it is given back. */
int places_take(struct places *places, const char *backend, const char *name, const struct endpoint *address);
/* This place, of an earlier program's plan (upgrade.h): one user more. False: another server has it, or no memory. */
bool places_keep(struct places *places, int place, const char *backend, const char *name,
                 const struct endpoint *address);
void places_give_back(struct places *places, int place); /* -1 is fine */

#endif
