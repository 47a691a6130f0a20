/* SPDX-License-Identifier: ISC
 *
 * pressure - who needs room asks for it, and who can be spared gives way: the pressure pipe of a listener's workers.
 *
 * An octet in the pipe asks for one worker. Of all sessions that give way the one that has waited longest is woken
 * (common/wait); it looks whether room is still short, and goes with a 421. Octets that nobody took do not pile up:
 * there are never more than there is room missing, who asks takes an old one along, and who reads one that has lost its
 * meaning drops it. All of it is hints: what a wrong octet can do is wake somebody who then stays.
 */
#ifndef POSTERN_WORKERS_PRESSURE_H
#define POSTERN_WORKERS_PRESSURE_H

#include "workers/session.h"

#define MADE_ROOM "made room" /* why such a session ended */

enum { PRESSURE_PATIENCE_MS = 1000 };

extern const struct reply REPLY_BUSY; /* 421, said to who has to go */

/* One octet, where so much room is `missing`; how many there are then. 0: nobody can be asked. */
int pressure_ask(const struct session_setup *setup, int missing);

/* May it be asked to go? Never one that is trusted. */
bool pressure_may_ask(const struct session *s);

/* From now on what this session waits for gives way, where it may be asked: IO_ROOM. */
void pressure_give_way(struct session *s);
void pressure_give_way_at_once(struct session *s); /* without letting those who are just being woken go first */
/* From PRESSURE_PATIENCE_MS on: who answers, reads or shakes hands within that costs nothing for it. */
void pressure_give_way_soon(struct session *s);
void pressure_keep_room(struct session *s); /* no longer; also when it did not */

void pressure_note(const struct session *s); /* it goes: counted in its slot */
void pressure_make_room(struct session *s);  /* .. with REPLY_BUSY */

#endif
