/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "common/must.h"

#include "daemon/places.h"

static bool is_of(const struct place *place, const char *backend, const char *name, const struct endpoint *address)
{
    return place->users > 0 && endpoint_equal(&place->address, address) && strcmp(place->name, name) == 0 &&
           strcmp(place->backend, backend) == 0;
}

static void clear(struct place *place)
{
    free(place->backend);
    free(place->name);
    *place = (struct place){0};
}

static bool fill(struct place *place, const char *backend, const char *name, const struct endpoint *address)
{
    *place = (struct place){.users = 1, .backend = strdup(backend), .name = strdup(name), .address = *address};
    if (place->backend != NULL && place->name != NULL)
        return true;
    clear(place);
    return false;
}

int places_take(struct places *places, const char *backend, const char *name, const struct endpoint *address)
{
    for (int i = 0; i < SCOREBOARD_SERVERS_MAX; i++)
        if (is_of(&places->all[i], backend, name, address)) {
            places->all[i].users++;
            return i;
        }
    for (int i = 0; i < SCOREBOARD_SERVERS_MAX; i++)
        if (places->all[i].users == 0)
            return fill(&places->all[i], backend, name, address) ? i : -1;
    return -1;
}

bool places_keep(struct places *places, int place, const char *backend, const char *name,
                 const struct endpoint *address)
{
    must(place >= 0 && place < SCOREBOARD_SERVERS_MAX);
    if (places->all[place].users == 0)
        return fill(&places->all[place], backend, name, address);
    if (!is_of(&places->all[place], backend, name, address))
        return false;
    places->all[place].users++;
    return true;
}

void places_give_back(struct places *places, int place)
{
    if (place < 0)
        return;
    must(place < SCOREBOARD_SERVERS_MAX && places->all[place].users > 0);
    if (--places->all[place].users == 0)
        clear(&places->all[place]);
}
