/* SPDX-License-Identifier: ISC
 *
 * health - what the housekeeper's probes found of each inside server: a region of the scoreboard, written by it alone.
 *
 * Every word is copied once and checked by who reads it. A hint: a server that is down is tried last, never left out.
 */
#ifndef POSTERN_COMMON_HEALTH_H
#define POSTERN_COMMON_HEALTH_H

#include <stdatomic.h>
#include <stdint.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN, HEALTH_STATES };

enum health_trouble {
    HEALTH_FINE,
    HEALTH_NO_CONNECTION,
    HEALTH_NO_GREETING, /* connected, but no 220 in time, or another code */
    HEALTH_NO_EHLO,     /* EHLO refused or not answered */
    HEALTH_NO_TLS,      /* TLS is required and was not offered, refused, or the certificate does not fit */
    HEALTH_TROUBLES
};

/* One server; all zero: never probed. Times are clock_ms(). */
struct health {
    _Atomic uint32_t state;   /* enum health_state */
    _Atomic uint32_t trouble; /* enum health_trouble */
    _Atomic int64_t since_ms; /* this state */
    _Atomic int64_t probed_ms;
    _Atomic uint32_t took_ms;  /* the last probe, from connect to EHLO's answer */
    _Atomic uint32_t failures; /* in a row */
    _Atomic uint64_t whose;    /* a hash that tells one server from the next in this place, after a reload */
};

/* A copy in range. */
struct health_facts {
    enum health_state state;
    enum health_trouble trouble;
    int64_t since_ms, probed_ms;
    uint32_t took_ms, failures;
};
struct health_facts health_read(const struct health *health);

const char *health_state_name(enum health_state state);
const char *health_trouble_name(enum health_trouble trouble);

#endif
