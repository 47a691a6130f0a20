/* SPDX-License-Identifier: ISC
 *
 * house - what every session of the sink needs to know; made before the first one, constant but for the totals.
 */
#ifndef SINK_HOUSE_H
#define SINK_HOUSE_H

#include "tests/sink/options.h"
#include "tests/sink/totals.h"

struct house {
    const struct options *options;
    struct totals *totals;
    int listener;
    int raw; /* descriptor, -1 without --raw */
};

#endif
