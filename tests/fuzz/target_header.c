/* SPDX-License-Identifier: ISC
 *
 * What is read of a message's header: the same however it is cut, and not more Received fields than lines begin so; a
 * Message-ID of printable ASCII.
 */
#include <string.h>
#include <strings.h>

#include "tests/fuzz/target.h"
#include "workers/smtp/header.h"

static unsigned count_lines(struct slice text)
{
    static const char name[] = "Received";
    unsigned count = 0;
    for (size_t i = 0; i + sizeof name - 1 <= text.size; i++)
        count += (i == 0 || text.at[i - 1] == '\n') && strncasecmp(text.at + i, name, sizeof name - 1) == 0;
    return count;
}

static void feed(struct header *header, struct slice input, size_t piece)
{
    *header = (struct header){0};
    while (input.size > 0) {
        struct slice copy = law_copy(law_take(&input, piece));
        struct slice rest = copy, section = header_take(header, &rest);
        law(section.size + rest.size == copy.size && (header->ended || rest.size == 0), "something is left");
        law_free(copy);
    }
}

static void check_same(const struct header *a, const struct header *b)
{
    law(a->ended == b->ended && a->received_count == b->received_count && strcmp(a->message_id, b->message_id) == 0,
        "cut differently it is something else");
}

FUZZ
{
    struct header whole, cut;
    size_t piece = law_take_octet(&input) + 1u;
    feed(&whole, input, input.size + 1);
    feed(&cut, input, 1);
    check_same(&whole, &cut);
    feed(&cut, input, piece);
    check_same(&whole, &cut);
    law(whole.received_count <= count_lines(input), "%u hops", whole.received_count);
    law(memchr(whole.message_id, '\0', sizeof whole.message_id) != NULL, "a Message-ID without end");
    for (const char *at = whole.message_id; *at != '\0'; at++)
        law(*at >= ' ' && *at <= '~', "an odd octet in a Message-ID");
}
