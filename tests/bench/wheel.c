/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "tests/bench/wheel.h"

static void link_in(struct alarm **list, struct alarm *a)
{
    a->next = *list;
    a->previous = list;
    if (a->next != NULL)
        a->next->previous = &a->next;
    *list = a;
}

void wheel_begin(struct wheel *w, int64_t now_ms)
{
    memset(w, 0, sizeof *w);
    w->turned = now_ms / WHEEL_SLOT_MS;
}

void wheel_unset(struct alarm *a)
{
    if (a->previous == NULL)
        return;
    *a->previous = a->next;
    if (a->next != NULL)
        a->next->previous = a->previous;
    a->next = NULL;
    a->previous = NULL;
}

/* Into a slot that is still to come, and never into the one that is looked at. */
void wheel_set(struct wheel *w, struct alarm *a, int64_t at_ms)
{
    int64_t slot = at_ms / WHEEL_SLOT_MS + 1;
    wheel_unset(a);
    a->at_ms = at_ms;
    if (slot <= w->turned)
        slot = w->turned + 1;
    link_in(&w->slots[slot % WHEEL_SLOTS], a);
}

/* Who has more than a whole turn to wait stays. */
static void look_at(struct wheel *w, int64_t slot, int64_t now_ms, void (*ring)(struct alarm *a))
{
    struct alarm *list = w->slots[slot % WHEEL_SLOTS], *a;
    w->slots[slot % WHEEL_SLOTS] = NULL;
    if (list != NULL)
        list->previous = &list;
    while ((a = list) != NULL) {
        wheel_unset(a);
        if (a->at_ms > now_ms)
            link_in(&w->slots[slot % WHEEL_SLOTS], a);
        else
            ring(a);
    }
}

void wheel_turn(struct wheel *w, int64_t now_ms, void (*ring)(struct alarm *a))
{
    while (w->turned < now_ms / WHEEL_SLOT_MS) {
        w->turned++;
        look_at(w, w->turned, now_ms, ring);
    }
}
