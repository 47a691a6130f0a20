/* SPDX-License-Identifier: ISC */
#include "workers/smtp/extensions.h"

enum { SMTP_OK = 250 };

static const struct keyword_row attributes[] = {
    {XCLIENT_NAME, "NAME"},         {XCLIENT_ADDR, "ADDR"},         {XCLIENT_PORT, "PORT"},
    {XCLIENT_PROTO, "PROTO"},       {XCLIENT_HELO, "HELO"},         {XCLIENT_LOGIN, "LOGIN"},
    {XCLIENT_DESTADDR, "DESTADDR"}, {XCLIENT_DESTPORT, "DESTPORT"}, {XCLIENT_REVERSE_NAME, "REVERSE_NAME"},
};

enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static uint32_t find_bit(const struct keyword_row *names, size_t count, struct slice word)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is_word(word, names[i].text))
            return names[i].bit;
    return 0;
}

/* "SIZE", "SIZE 0" and what is no number say no limit; of two limits the smaller holds. */
static void parse_size(struct slice arguments, struct extensions *out)
{
    uint64_t limit;
    if (!slice_to_number(slice_take_word(&arguments), &limit) || limit == 0)
        return;
    if (out->size_limit == 0 || limit < out->size_limit)
        out->size_limit = limit;
}

static void parse_line(struct slice line, struct extensions *out)
{
    uint32_t keyword = find_bit(keyword_rows, KEYWORDS, slice_take_word(&line));
    out->keywords |= keyword;
    if (keyword == KEYWORD_SIZE)
        parse_size(line, out);
    for (struct slice word; keyword == KEYWORD_XCLIENT && (word = slice_take_word(&line)).size > 0;)
        out->xclient |= find_bit(attributes, ATTRIBUTES, word);
}

void extensions_parse(const struct reply *reply, struct extensions *out)
{
    *out = (struct extensions){0};
    if (reply->code != SMTP_OK)
        return;
    struct slice rest = reply->text;
    slice_take_until(&rest, '\n'); /* the greeting, whatever it says */
    while (rest.size > 0)
        parse_line(slice_take_until(&rest, '\n'), out);
}

static bool print_arguments(struct buffer *to, uint32_t keyword, const struct extensions *offered)
{
    bool fits = true;
    if (keyword == KEYWORD_SIZE && offered->size_limit > 0)
        fits = buffer_print(to, " %llu", (unsigned long long)offered->size_limit);
    for (size_t i = 0; keyword == KEYWORD_XCLIENT && i < ATTRIBUTES; i++)
        if (offered->xclient & attributes[i].bit)
            fits = fits && buffer_put_char(to, ' ') && buffer_put_text(to, attributes[i].text);
    return fits;
}

bool extensions_print(struct buffer *to, struct slice greeting, const struct extensions *offered)
{
    bool fits = buffer_put(to, greeting);
    for (size_t i = 0; i < KEYWORDS; i++)
        if (offered->keywords & keyword_rows[i].bit)
            fits = fits && buffer_put_char(to, '\n') && buffer_put_text(to, keyword_rows[i].text) &&
                   print_arguments(to, keyword_rows[i].bit, offered);
    return fits;
}
