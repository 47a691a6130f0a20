/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/prefixes.h"

/* One that no family has has none. */
static int longest(uint8_t family)
{
    return family == 4 ? PREFIXES_IPV4 - 1 : family == 6 ? PREFIXES_IPV6 - 1 : -1;
}

static bool has(const struct prefixes *prefixes, uint8_t family, int length)
{
    return family == 4 ? prefixes->ipv4[length] : prefixes->ipv6[length];
}

void prefixes_add(struct prefixes *prefixes, uint8_t family, int64_t length)
{
    if (length < 0 || length > longest(family))
        return;
    *(family == 4 ? &prefixes->ipv4[length] : &prefixes->ipv6[length]) = true;
}

bool prefixes_have(const struct prefixes *prefixes, const struct network *network)
{
    return network->prefix <= longest(network->address.family) &&
           has(prefixes, network->address.family, network->prefix);
}

int prefixes_at(const struct prefixes *prefixes, uint8_t family, int number)
{
    for (int length = 0; length <= longest(family); length++)
        if (has(prefixes, family, length) && number-- == 0)
            return length;
    return -1;
}

void prefixes_print(const struct prefixes *prefixes, uint8_t family, char text[PREFIXES_TEXT_MAX])
{
    enum { ONE_MAX = sizeof(", /128, ..") }; /* and what says that there are more */
    size_t size = 0;
    text[0] = '\0';
    for (int i = 0, length; (length = prefixes_at(prefixes, family, i)) >= 0; i++) {
        bool has_room = PREFIXES_TEXT_MAX - size >= ONE_MAX;
        const char *before = i > 0 ? ", " : "";
        size += (size_t)(has_room ? snprintf(text + size, PREFIXES_TEXT_MAX - size, "%s/%d", before, length)
                                  : snprintf(text + size, PREFIXES_TEXT_MAX - size, "%s..", before));
        if (!has_room)
            return;
    }
}
