/* SPDX-License-Identifier: ISC */
#include "common/clock.h"
#include "common/log.h"

#include "daemon/bypass.h"

enum { MS_PER_S = 1000 };

static void say(struct bypass *bypass, int64_t now_ms)
{
    struct record r;
    record_begin(&r, "bypass");
    record_string(&r, "state", bypass->on ? "on" : "off");
    record_number(&r, "for_s", (uint64_t)(now_ms - bypass->since_ms) / MS_PER_S);
    record_string(&r, "why", bypass->on ? "checks refuse, delay and slow down nobody; posternctl bypass off" : NULL);
    record_send(&r, LEVEL_WARNING);
    bypass->say_ms = now_ms + BYPASS_SAY_MS;
}

bool bypass_set(struct bypass *bypass, struct orders *orders, bool on, int64_t now_ms)
{
    if (bypass->on == on)
        return false;
    orders_set_bypass(orders, on);
    bypass->on = on;
    if (on)
        bypass->since_ms = now_ms;
    say(bypass, now_ms);
    return true;
}

int64_t bypass_look(struct bypass *bypass, int64_t now_ms)
{
    if (!bypass->on)
        return CLOCK_NEVER;
    if (now_ms >= bypass->say_ms)
        say(bypass, now_ms);
    return bypass->say_ms;
}
