/* SPDX-License-Identifier: ISC */
#include "workers/domain_list.h"

#include "workers/smtp/address.h"

static bool matches(struct slice domain, struct slice pattern)
{
    if (slice_is_word(pattern, "*") || slice_equal_nocase(domain, pattern))
        return true;
    if (pattern.size == 0 || pattern.at[0] != '.' || domain.size <= pattern.size)
        return false;
    return slice_equal_nocase(slice_make(domain.at + domain.size - pattern.size, pattern.size), pattern);
}

bool domain_list_holds(const struct text_list *list, struct slice domain)
{
    domain = slice_without_dot(domain);
    for (size_t i = 0; i < list->count; i++) {
        if (matches(domain, slice_of(list->items[i])))
            return true;
    }
    return false;
}

/* "*", a domain, ".domain", or an address literal: anything else could never match. */
static bool can_match(struct slice pattern)
{
    if (slice_is_word(pattern, "*"))
        return true;
    if (pattern.size > 2 && pattern.at[0] == '[')
        return pattern.at[pattern.size - 1] == ']';
    if (pattern.size > 0 && pattern.at[0] == '.')
        slice_drop(&pattern, 1);
    return domain_is_valid(pattern) && pattern.at[pattern.size - 1] != '.';
}

bool domain_list_check(struct config *config, const void *filled, const char *option, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        if (!can_match(slice_of(item)))
            return config_refuse(config, filled, option,
                                 "'%s' matches nothing; write example.org, .example.org for all below it, [192.0.2.1], "
                                 "or \"*\" for every domain",
                                 item);
    }
    return true;
}
