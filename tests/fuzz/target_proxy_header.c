/* SPDX-License-Identifier: ISC
 *
 * The header of the PROXY protocol. Octet by octet it is the same as at once: what is done once is done, what is bad
 * stays bad, and who reads no more than is said to come never reads beyond the header. What names a client is printed
 * and parsed again in both versions: the same client.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "workers/proxy_header.h"

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->kind == b->kind && endpoint_equal(&a->client, &b->client) && endpoint_equal(&a->local, &b->local);
}

static void check_printed(const struct proxy_header *header, enum proxy_version version)
{
    char memory[PROXY_HEADER_MAX];
    struct buffer to;
    struct proxy_header again;
    size_t count;
    buffer_init(&to, memory, sizeof memory);
    law(proxy_header_print(&to, version, &header->client, &header->local), "a header that is not printed");
    law(proxy_header_parse(buffer_unread(&to), &again, &count) == PROXY_DONE && count == to.end,
        "a header that is none");
    law(again.kind == PROXY_CLIENT && endpoint_equal(&again.client, &header->client), "another client");
    law(endpoint_equal(&again.local, &header->local) || again.local.address.family == header->client.address.family,
        "another place");
}

FUZZ
{
    struct proxy_header header, other;
    size_t whole, count, have = 0;
    enum proxy_progress progress = proxy_header_parse(input, &header, &whole), step = PROXY_MORE;
    if (progress == PROXY_DONE)
        law(whole > 0 && whole <= input.size && whole <= PROXY_HEADER_MAX, "a header of %zu octets", whole);
    /* Reading on as it says, and no more than that. */
    while (step == PROXY_MORE) {
        struct slice copy = law_copy(slice_make(input.at, have));
        step = proxy_header_parse(copy, &other, &count);
        law_free(copy);
        if (step != PROXY_MORE)
            break;
        law(count > 0, "more is to come, and it is nothing");
        if (count > input.size - have)
            break;
        have += count;
        law(progress != PROXY_DONE || have <= whole, "read beyond the header");
    }
    law(step == progress || (step == PROXY_MORE && progress == PROXY_BAD), "in steps it is %d, at once %d", step,
        progress);
    for (size_t i = 0; progress == PROXY_DONE && i < whole && whole < 300; i++)
        law(proxy_header_parse(slice_make(input.at, i), &other, &count) == PROXY_MORE, "done before its end");
    if (progress != PROXY_DONE)
        return;
    law(proxy_header_parse(slice_make(input.at, whole), &other, &count) == PROXY_DONE && same(&header, &other),
        "what is behind the header matters");
    law(header.kind == PROXY_CLIENT || header.client.kind == ENDPOINT_NONE, "a client that was not told of");
    if (header.kind == PROXY_CLIENT) {
        check_printed(&header, PROXY_V1);
        check_printed(&header, PROXY_V2);
    }
}
