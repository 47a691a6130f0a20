/* SPDX-License-Identifier: ISC
 *
 * Inside's EHLO keywords. Only bits of the table come out; printed they are whole keywords of printable ASCII, and what
 * is parsed of that prints the same again.
 */
#include <string.h>

#include "tests/fuzz/target.h"
#include "workers/smtp/extensions.h"

static struct slice print(const struct extensions *extensions, char *memory, size_t size)
{
    struct buffer to;
    buffer_init(&to, memory, size);
    law(extensions_print(&to, slice_of("mx.test"), extensions), "keywords that do not fit");
    return buffer_unread(&to);
}

static uint32_t known(void)
{
    uint32_t all = KEYWORDS_AUTH;
    for (size_t i = 0; i < KEYWORDS; i++)
        all |= keyword_rows[i].bit;
    return all;
}

FUZZ
{
    static char first[8192], second[8192];
    const struct reply reply = {250, "", input};
    struct extensions parsed, again;
    extensions_parse(&reply, &parsed);
    law((parsed.keywords & ~known()) == 0, "a keyword that nobody knows");
    struct slice text = print(&parsed, first, sizeof first);
    for (size_t i = 0; i < text.size; i++)
        law(text.at[i] == '\n' || (text.at[i] >= ' ' && text.at[i] <= '~'), "an odd octet in a keyword");
    law(text.size < 1536, "%zu octets of keywords", text.size);
    const struct reply ours = {250, "", text};
    extensions_parse(&ours, &again);
    law(again.keywords == parsed.keywords, "other keywords: %x, %x", parsed.keywords, again.keywords);
    law(law_same(text, print(&again, second, sizeof second)), "printed twice, they are others:\n%.*s\n%.*s",
        SLICE_ARGS(text), SLICE_ARGS(slice_of(second)));
}
