/* SPDX-License-Identifier: ISC
 *
 * table - an answer for people: tables with aligned columns, times and sizes with their units. What a listing shows of
 * each kind of record, and in which order, is one const table. Nothing that a peer said reaches the terminal but
 * printable ASCII.
 */
#ifndef POSTERN_CTL_TABLE_H
#define POSTERN_CTL_TABLE_H

#include <stdio.h>

#include "daemon/ctl/answer.h"

void table_print(FILE *to, enum control_verb verb, const struct answer *answer);

#endif
