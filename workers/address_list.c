/* SPDX-License-Identifier: ISC */
#include "workers/address_list.h"

#include <stdio.h>

struct pattern {
    struct slice local, domain; /* empty: any */
};

/* At the last @, as an address is read. */
static struct pattern pattern_of(const char *item)
{
    struct slice all = slice_of(item);
    size_t at = all.size;
    while (at > 0 && all.at[at - 1] != '@')
        at--;
    if (at == 0)
        return (struct pattern){.local = all};
    return (struct pattern){slice_make(all.at, at - 1), slice_make(all.at + at, all.size - at)};
}

static bool can_match(const char *item)
{
    char text[PATH_MAX_OCTETS];
    struct path path;
    struct pattern pattern = pattern_of(item);
    const char *local = pattern.local.size > 0 ? "" : "x", *domain = pattern.domain.size > 0 ? "" : "@example.org";
    bool ends_with_at = pattern.local.size < slice_of(item).size && pattern.domain.size == 0;
    int size = snprintf(text, sizeof(text), "<%s%s%s>", local, item, domain);
    if (ends_with_at || item[0] == '\0' || size >= (int)sizeof(text))
        return false;
    struct slice rest = slice_of(text);
    return path_parse(&rest, false, &path) == PATH_FINE && rest.size == 0 && !path.has_route;
}

static bool is_matched(const char *item, const struct path *path)
{
    struct pattern pattern = pattern_of(item);
    struct slice domain = slice_without_dot(path->domain);
    return (pattern.local.size == 0 || slice_equal_nocase(pattern.local, path->local)) &&
           (pattern.domain.size == 0 || slice_equal_nocase(pattern.domain, domain));
}

bool address_list_holds(const struct text_list *list, const struct path *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (is_matched(list->items[i], path))
            return true;
    return false;
}

bool address_list_check(struct config *config, const void *filled, const char *option, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!can_match(list->items[i]))
            return config_refuse(config, filled, option,
                                 "'%s' matches nothing; write postmaster for every domain, abuse@example.org, or "
                                 "@example.org for all of a domain",
                                 list->items[i]);
    return true;
}
