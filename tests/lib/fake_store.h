/* SPDX-License-Identifier: ISC
 *
 * fake_store - stands in for workers/store_client.c where a test owns what the storekeeper answers.
 *
 *   OUTCOME [SECONDS] [KEY]     first 300, early 20, pass, allowance, unsure; to a question about this key (with * at
 *                               its end: one that begins so; none: any)
 *
 * Of several lines for a key each is the answer once, in their order, and the last one for ever. What no line is about
 * is unsure; without any line there is no store. What it was asked and told it writes into the log, as event=store.
 */
#ifndef POSTERN_TESTS_FAKE_STORE_H
#define POSTERN_TESTS_FAKE_STORE_H

#include "common/slice.h"

void fake_store_clear(void);
/* False with *why_out; too many are one of the reasons. */
bool fake_store_add(struct slice line, const char **why_out);
int fake_store_asked(void); /* since fake_store_clear */
int fake_store_told(void);

#endif
