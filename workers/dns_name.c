/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "workers/dns.h"

enum { LABEL_MAX = 63, NIBBLES = 32 };

static bool is_of_names(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool is_of_questions(char c)
{
    return c >= ' ' && c <= '~' && c != '\\';
}

static bool label_is_valid(struct slice label, bool (*may_hold)(char c))
{
    if (label.size == 0 || label.size > LABEL_MAX)
        return false;
    for (size_t i = 0; i < label.size; i++)
        if (!may_hold(label.at[i]))
            return false;
    return true;
}

static bool labels_are_valid(struct slice name, bool (*may_hold)(char c))
{
    name = slice_without_dot(name);
    if (name.size == 0 || name.size > DNS_NAME_MAX)
        return false;
    for (size_t from = 0, i = 0; i <= name.size; i++) {
        if (i < name.size && name.at[i] != '.')
            continue;
        if (!label_is_valid(slice_make(name.at + from, i - from), may_hold))
            return false;
        from = i + 1;
    }
    return true;
}

bool dns_name_is_valid(struct slice name)
{
    return labels_are_valid(name, is_of_names);
}

bool dns_question_is_valid(struct slice name)
{
    return labels_are_valid(name, is_of_questions);
}

static bool is_number(struct slice label)
{
    for (size_t i = 0; i < label.size; i++)
        if (!ascii_is_digit(label.at[i]))
            return false;
    return true;
}

bool dns_name_is_host(struct slice name)
{
    struct slice rest = slice_without_dot(name), label = {0};
    if (!dns_name_is_valid(name))
        return false;
    while (rest.size > 0) {
        label = slice_take_until(&rest, '.');
        if (label.at[0] == '-' || label.at[label.size - 1] == '-')
            return false;
    }
    return !is_number(label);
}

bool dns_reverse_name(char name_out[DNS_NAME_MAX + 1], const struct ipaddr *address, const char *zone)
{
    static const char digits[] = "0123456789abcdef";
    char front[NIBBLES * 2 + 1];
    const uint8_t *b = address->bytes;
    if (address->family == 4) {
        snprintf(front, sizeof(front), "%u.%u.%u.%u.", b[3], b[2], b[1], b[0]);
    } else if (address->family == 6) {
        for (int i = 0; i < NIBBLES; i++) {
            uint8_t octet = b[(NIBBLES - 1 - i) / 2];
            front[2 * i] = digits[i % 2 == 0 ? octet & 15 : octet >> 4];
            front[2 * i + 1] = '.';
        }
        front[NIBBLES * 2] = '\0';
    } else {
        return false;
    }
    if (zone == NULL)
        zone = address->family == 4 ? "in-addr.arpa" : "ip6.arpa";
    return snprintf(name_out, DNS_NAME_MAX + 1, "%s%s", front, zone) <= DNS_NAME_MAX;
}

const char *dns_type_name(enum dns_type type)
{
    static const char *const names[DNS_TYPES] = {"A", "AAAA", "MX", "PTR", "TXT"};
    return names[type];
}

const char *dns_status_name(enum dns_status status)
{
    static const char *const names[] = {"asked", "found", "no data", "no such name", "no answer"};
    return names[status];
}
