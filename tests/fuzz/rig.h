/* SPDX-License-Identifier: ISC
 *
 * rig - the real session between two sides that play a script, with the witness on both.
 */
#ifndef POSTERN_TESTS_FUZZ_RIG_H
#define POSTERN_TESTS_FUZZ_RIG_H

#include "tests/fuzz/script.h"
#include "tests/fuzz/witness.h"

void rig_prepare(void); /* once: the configuration */
/* One session. `cut`: the outside's octets come in pieces of so many; 0: as the script says. */
void rig_play(const struct script *script, size_t cut);
/* What happened in the last one. */
const struct witness *rig_witness(void);
bool rig_is_plain(void); /* nothing in it depended on the moment, but for what the outside said */
/* Plays it; where it is plain, again, cut otherwise: the same must happen. */
void rig_play_both(const struct script *script);

#endif
