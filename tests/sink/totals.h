/* SPDX-License-Identifier: ISC
 *
 * totals - what all processes of the sink counted, in memory they share.
 */
#ifndef SINK_TOTALS_H
#define SINK_TOTALS_H

#include <stdatomic.h>
#include <stdint.h>

struct totals {
    _Atomic uint64_t connections;
    _Atomic uint64_t commands;
    _Atomic uint64_t refused; /* commands answered with 4xx or 5xx */
    _Atomic uint64_t recipients;
    _Atomic uint64_t messages;   /* taken: 250 to the final dot */
    _Atomic uint64_t unfinished; /* left before the final dot */
    _Atomic uint64_t violations;
    _Atomic uint64_t octets; /* of messages, as heard */
};

#endif
