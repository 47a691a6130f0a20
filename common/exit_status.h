/* SPDX-License-Identifier: ISC
 *
 * exit_status - what a worker's exit tells the master: the whole of the protocol between them, besides the lifeline.
 *
 * Any other status, and any signal that the master did not send, is a crash.
 */
#ifndef POSTERN_COMMON_EXIT_STATUS_H
#define POSTERN_COMMON_EXIT_STATUS_H

enum worker_exit {
    WORKER_RETIRED = 0,   /* took a leave ticket, or served its share of sessions */
    WORKER_ORPHANED = 10, /* the lifeline ended: stop, reload or the master's death */
    WORKER_SHORT = 11,    /* of descriptors, memory or processes: back off before another is made */
    WORKER_BROKEN = 12,   /* could not set itself up: configuration or machine, not the client */
    WORKER_DAMAGED = 13   /* the storekeeper alone: its file is none any more, the next one shall begin anew */
};

#endif
