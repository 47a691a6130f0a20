/* SPDX-License-Identifier: ISC
 *
 * Paths, domains and UTF-8. A path that is taken is printed as one pair of angle brackets without a control character,
 * within bounds, and parsed again it is the same; what stands behind it in the line stays. UTF-8 is judged by RFC
 * 3629's table.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "workers/smtp/address.h"

static void print(const struct path *path, struct buffer *to, char *memory, size_t size)
{
    buffer_init(to, memory, size);
    law(path_print(to, path), "a path that does not fit");
}

static void check_same(const struct path *a, const struct path *b)
{
    law(a->is_null == b->is_null && a->has_8bit == b->has_8bit, "another path");
    law(law_same(a->local, b->local) && law_same(a->domain, b->domain), "another path");
    law(path_local_has_routing(a) == path_local_has_routing(b) && path_is_postmaster(a) == path_is_postmaster(b),
        "another path");
}

static void check_octets(struct slice printed, const struct path *path)
{
    law(printed.size >= 2 && printed.at[0] == '<' && printed.at[printed.size - 1] == '>', "no brackets");
    law(law_is_clean(printed), "a control character in a path");
    law(printed.size <= PATH_MAX_OCTETS + 2, "a path of %zu octets", printed.size);
    law(path->domain.size <= DOMAIN_MAX_OCTETS || path->domain.at[0] == '[', "a domain of %zu octets",
        path->domain.size);
    for (size_t i = 0; i < printed.size; i++)
        law(path->has_8bit || (unsigned char)printed.at[i] < 0x80, "an 8-bit octet that is not told of");
    law(path->domain.size > 0 || path->is_null || path_is_postmaster(path), "a mailbox without a domain");
}

static void check_path(struct slice input, bool null_is_allowed)
{
    char first[PATH_MAX_OCTETS + 16], second[PATH_MAX_OCTETS + 16];
    struct buffer printed, again;
    struct path path, same;
    struct slice rest = input;
    if (path_parse(&rest, null_is_allowed, &path) != PATH_FINE) {
        law(rest.at == input.at && rest.size == input.size && path.local.size + path.domain.size == 0,
            "a refused path leaves something");
        return;
    }
    law(rest.at >= input.at && rest.at + rest.size == input.at + input.size, "the rest is not the rest");
    law(null_is_allowed || !path.is_null, "<> as a recipient");
    print(&path, &printed, first, sizeof first);
    check_octets(buffer_unread(&printed), &path);
    struct slice text = buffer_unread(&printed);
    law(path_parse(&text, null_is_allowed, &same) == PATH_FINE && text.size == 0, "a printed path is none: %.*s",
        SLICE_ARGS(buffer_unread(&printed)));
    check_same(&path, &same);
    print(&same, &again, second, sizeof second);
    law(law_same(buffer_unread(&printed), buffer_unread(&again)), "printed twice, it is another");
}

/* RFC 3629 section 4, row by row. */
static bool is_utf8(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.at, *end = at + text.size;
    while (at < end) {
        size_t more = *at < 0x80 ? 0 : *at >= 0xC2 && *at <= 0xDF ? 1 : *at >= 0xE0 && *at <= 0xEF ? 2 : 3;
        unsigned char low = 0x80, high = 0xBF;
        if (*at >= 0x80 && (*at < 0xC2 || *at > 0xF4))
            return false;
        if (*at == 0xE0)
            low = 0xA0;
        if (*at == 0xED)
            high = 0x9F;
        if (*at == 0xF0)
            low = 0x90;
        if (*at == 0xF4)
            high = 0x8F;
        if ((size_t)(end - at) <= more || (more > 0 && (at[1] < low || at[1] > high)))
            return false;
        for (size_t i = 2; i <= more; i++)
            if (at[i] < 0x80 || at[i] > 0xBF)
                return false;
        at += more + 1;
    }
    return true;
}

FUZZ
{
    check_path(input, true);
    check_path(input, false);
    law(utf8_is_valid(input) == is_utf8(input), "UTF-8 or not?");
    if (utf8_is_printable(input))
        law(utf8_is_valid(input) && law_is_clean(input), "printable?");
    if (domain_is_valid(input))
        law(input.size > 0 && law_is_clean(input) && memchr(input.at, ' ', input.size) == NULL &&
                memchr(input.at, '>', input.size) == NULL,
            "a domain with what ends a path");
}
