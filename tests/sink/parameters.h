/* SPDX-License-Identifier: ISC
 *
 * parameters - what may follow the path of MAIL and RCPT: SIZE BODY SMTPUTF8 RET ENVID, NOTIFY ORCPT.
 *
 * NULL when all is well, else the reply that refuses the command. Unknown is 555, doubled or malformed is 501.
 */
#ifndef SINK_PARAMETERS_H
#define SINK_PARAMETERS_H

#include "tests/sink/grammar.h"

struct parameters {
    bool smtputf8;
};

const char *mail_parameters(struct text *t, struct parameters *out);
const char *rcpt_parameters(struct text *t, struct parameters *out);

#endif
