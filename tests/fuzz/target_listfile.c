/* SPDX-License-Identifier: ISC
 *
 * Files that hold a list, and what access { } takes for an entry. Lines, items and faults are those that the definition
 * says (the oracle goes octet by octet); an entry that is taken is found by what it names: an address of the network,
 * the name, the path <local@domain>, and is not found any more once that is changed.
 */
#include <string.h>

#include "common/listfile.h"
#include "common/nameset.h"
#include "common/netset.h"
#include "tests/fuzz/target.h"
#include "workers/access/access_options.h"
#include "workers/consequence.h"
#include "workers/smtp/address.h"

/* -- lines -- */

enum fault { FAULT_NONE, FAULT_LONG, FAULT_RETURN, FAULT_ODD };

struct line {
    struct slice word, rest;
    enum fault fault;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice between(const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    return slice_make(from, (size_t)(to - from));
}

static struct line read_line(const char *from, const char *to)
{
    struct line line = {.fault = to - from > 2048 ? FAULT_LONG : FAULT_NONE};
    const char *end = from, *behind;
    while (end < to && !(*end == '#' && (end == from || is_blank(end[-1]))))
        end++;
    for (const char *at = from; at < end && line.fault == FAULT_NONE; at++)
        if (*at == '\r')
            line.fault = FAULT_RETURN;
        else if (!is_blank(*at) && (*at < 0x21 || *at > 0x7e))
            line.fault = FAULT_ODD;
    struct slice all = between(from, end);
    for (behind = all.at; behind < all.at + all.size && !is_blank(*behind);)
        behind++;
    line.word = slice_make(all.at, (size_t)(behind - all.at));
    line.rest = between(behind, all.at + all.size);
    return line;
}

static void check_fault(const struct listfile_lines *lines, enum fault fault)
{
    static const char *const begins[] = {"", "a line of more", "a carriage return", "more than printable"};
    law((lines->wrong == NULL) == (fault == FAULT_NONE), "line %u: %s", lines->number,
        lines->wrong != NULL ? lines->wrong : "nothing is wrong");
    if (lines->wrong != NULL)
        law(strncmp(lines->wrong, begins[fault], strlen(begins[fault])) == 0, "line %u: %s", lines->number,
            lines->wrong);
}

/* -- entries -- */

static void check_network(const struct network *network)
{
    struct netset_draft draft = {.ipv4 = {0}};
    struct netset set;
    law(netset_add(&draft, network, 1) && netset_compile(&draft, &set), "no memory");
    law(netset_find(&set, &network->address) == 1, "a network without its own address");
    for (unsigned bit = 0; bit < (network->address.family == 4 ? 32u : 128u); bit += 7) {
        struct ipaddr other = network->address;
        other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        law((netset_find(&set, &other) == 1) == (bit >= network->prefix), "a network of other bits than its prefix's");
    }
    netset_clear(&set);
}

static void check_address(const struct nameset *set, struct slice word)
{
    char text[LISTFILE_LINE_MAX + 4];
    struct path path;
    if (word.size > LISTFILE_LINE_MAX || !slice_has(word, '@') || word.at[0] == '@' || word.at[word.size - 1] == '@')
        return;
    text[0] = '<';
    memcpy(text + 1, word.at, word.size);
    text[word.size + 1] = '>';
    struct slice rest = slice_make(text, word.size + 2);
    if (path_parse(&rest, false, &path) == PATH_FINE)
        law(nameset_find_address(set, path.local, path.domain) == 1, "an address that is not found: %.*s",
            SLICE_ARGS(word));
}

static void check_name(enum access_of of, struct slice word, struct slice name)
{
    struct nameset_draft draft = {.count = 0};
    struct nameset set;
    law(name.size > 0 && name.at >= word.at && name.at + name.size <= word.at + word.size, "a name from elsewhere");
    law(nameset_add(&draft, name, 1) && nameset_compile(&draft, &set), "no memory");
    law(nameset_find(&set, name) == 1, "a name that is not found: %.*s", SLICE_ARGS(name));
    if (name.at[0] == '.') {
        char below[LISTFILE_LINE_MAX + 4] = "x";
        memcpy(below + 1, name.at, name.size);
        law(nameset_find_domain(&set, slice_make(below, name.size + 1)) == 1, "nothing is below %.*s",
            SLICE_ARGS(name));
        law(nameset_find_domain(&set, slice_make(name.at + 1, name.size - 1)) == NAMESET_NONE, "%.*s holds itself",
            SLICE_ARGS(name));
    }
    if (of == ACCESS_CLIENT)
        law(!slice_has(name, '@') && !slice_has(name, ':') && !slice_has(name, '/'), "no name of a host: %.*s",
            SLICE_ARGS(name));
    if (of != ACCESS_HELO)
        check_address(&set, word);
    nameset_clear(&set);
}

static void check_entry(struct slice word, struct slice rest)
{
    for (int of = 0; of < ACCESS_OFS; of++) {
        struct access_item item;
        const char *allowed = NULL;
        const char *wrong = access_item_parse((enum access_of)of, ACCESS_REJECT, word, rest, &item, &allowed);
        law(allowed != NULL && allowed[0] != '\0', "not said what is allowed");
        if (wrong != NULL)
            continue;
        law(item.rest.size == rest.size && rest.size <= CONSEQUENCE_TEXT_MAX, "another reply");
        law(!item.is_network || of == ACCESS_CLIENT, "an entry of another kind");
        if (item.is_network)
            check_network(&item.network);
        else
            check_name((enum access_of)of, word, item.name);
    }
}

static void check_points(struct slice word, struct slice rest)
{
    struct access_item item;
    const char *allowed;
    char text[8];
    if (access_item_parse(ACCESS_CLIENT, ACCESS_SCORE, word, rest, &item, &allowed) != NULL || rest.size == 0)
        return;
    law(rest.size < sizeof text || rest.at[rest.at[0] == '-'] == '0', "points of %zu octets", rest.size);
    if (rest.size >= sizeof text)
        return;
    memcpy(text, rest.at, rest.size);
    text[rest.size] = '\0';
    int points = access_points_of(text);
    law(points >= -ACCESS_POINTS_MAX && points <= ACCESS_POINTS_MAX, "%d points", points);
}

FUZZ
{
    struct listfile_lines lines = {.rest = input};
    struct listfile_item item;
    uint32_t number = 0;
    for (const char *at = input.at, *end = input.at + input.size; at < end;) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const struct line line = read_line(at, feed != NULL ? feed : end);
        at = feed != NULL ? feed + 1 : end;
        number++;
        if (line.fault == FAULT_NONE && line.word.size == 0)
            continue;
        bool found = listfile_next(&lines, &item);
        check_fault(&lines, line.fault);
        law(lines.number == number, "line %u, not %u", lines.number, number);
        if (line.fault != FAULT_NONE) {
            law(!found && !listfile_next(&lines, &item), "an item behind a fault");
            return;
        }
        law(found && law_same(item.word, line.word) && law_same(item.rest, line.rest), "another item in line %u",
            number);
        check_entry(item.word, item.rest);
        check_points(item.word, item.rest);
    }
    law(!listfile_next(&lines, &item) && lines.wrong == NULL, "an item behind the end");
}
