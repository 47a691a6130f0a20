/* SPDX-License-Identifier: ISC
 *
 * explanation - the answer to posternctl explain as people read it: a paragraph for each stage, a line for each
 * question and what a check made of it, and at the end what the client would hear. Nothing that a peer said reaches the
 * terminal but printable ASCII.
 */
#ifndef POSTERN_CTL_EXPLANATION_H
#define POSTERN_CTL_EXPLANATION_H

#include <stdio.h>

#include "daemon/ctl/answer.h"

void explanation_print(FILE *to, const struct answer *answer);

#endif
