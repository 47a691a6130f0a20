/* SPDX-License-Identifier: ISC
 *
 * metrics - the answer to `metrics` in Prometheus' text exposition format, version 0.0.4: of each family HELP and TYPE,
 * then its samples. A sample's texts are its labels, value_ms is written in seconds. What a peer or a configuration
 * said reaches it as printable ASCII, escaped.
 */
#ifndef POSTERN_CTL_METRICS_H
#define POSTERN_CTL_METRICS_H

#include <stdio.h>

#include "daemon/ctl/answer.h"

void metrics_print(FILE *to, const struct answer *answer);

#endif
