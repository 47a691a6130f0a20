/* SPDX-License-Identifier: ISC
 *
 * storekeeper - the process that keeps the memory on disk, and alone writes to it.
 *
 * Two threads. One answers questions (common/store.h) out of what is in memory and on disk, and waits for nothing but
 * the next question; it writes the time into the scoreboard, several times a second. The other takes what changed to
 * disk, all of it in one transaction, four times a second or when much has come together, cleans the file meanwhile,
 * and waits for the disk as long as that takes. So no session waits for a disk, and a machine that dies takes a quarter
 * of a second of the memory with it.
 *
 * storekeeper_main is a storekeeper_function (common/worker_setup.h). It may die at any time: what was not on disk is
 * lost, and how much that was is said by the next one, to which the questions that wait in the socket go. Where the
 * disk takes nothing it goes on in memory until that is full; then its answers are UNSURE, and what it is told is lost
 * and counted.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_STOREKEEPER_H
#define POSTERN_WORKERS_STOREKEEPER_STOREKEEPER_H

#include "common/worker_setup.h"

_Noreturn void storekeeper_main(const struct storekeeper_setup *setup);

#endif
