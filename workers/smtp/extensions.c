/* SPDX-License-Identifier: ISC */
#include "workers/smtp/extensions.h"

#include "workers/smtp/attributes.h"
#include "workers/smtp/datetime.h"

enum { SMTP_OK = 250 };
static const uint64_t LIMIT_MAX = 999999, INTERVAL_MAX = 999999999; /* six digits and nine, in their RFCs */

static const struct limit {
    enum keyword_number number;
    const char *name;
} limits[] = {{NUMBER_RCPTMAX, "RCPTMAX"}, {NUMBER_MAILMAX, "MAILMAX"}, {NUMBER_RCPTDOMAINMAX, "RCPTDOMAINMAX"}};
enum { LIMITS = sizeof limits / sizeof *limits };

/* RFC 6710 section 9: NUMBER_PRIORITIES counts from one. */
static const char *const profiles[] = {"MIXER", "STANAG4406", "NSEP"};
enum { PROFILES = sizeof profiles / sizeof *profiles };

/* -- what stands behind a keyword -- */

static void note_number(struct extensions *out, enum keyword_number which, struct slice word, uint64_t most)
{
    uint64_t number;
    if (slice_to_number(word, &number) && number <= most)
        out->numbers[which] = keyword_number_merge(which, out->numbers[which], number);
}

static void parse_size(struct slice arguments, struct extensions *out)
{
    note_number(out, NUMBER_SIZE, slice_take_word(&arguments), UINT64_MAX);
}

static void parse_limits(struct slice arguments, struct extensions *out)
{
    for (struct slice word; (word = slice_take_word(&arguments)).size > 0;) {
        struct slice name = slice_take_until(&word, '=');
        for (size_t i = 0; i < LIMITS; i++)
            if (slice_is_word(name, limits[i].name))
                note_number(out, limits[i].number, word, LIMIT_MAX);
    }
}

static void parse_deliver_by(struct slice arguments, struct extensions *out)
{
    note_number(out, NUMBER_BY_MIN, slice_take_word(&arguments), INTERVAL_MAX);
}

static void parse_future_release(struct slice arguments, struct extensions *out)
{
    uint64_t latest;
    note_number(out, NUMBER_HOLD_FOR, slice_take_word(&arguments), INTERVAL_MAX);
    if (datetime_parse(slice_take_word(&arguments), &latest))
        out->numbers[NUMBER_HOLD_UNTIL] = latest;
    if (out->numbers[NUMBER_HOLD_FOR] == 0 || out->numbers[NUMBER_HOLD_UNTIL] == 0)
        out->keywords &= ~(uint32_t)KEYWORD_FUTURERELEASE;
}

static void parse_priorities(struct slice arguments, struct extensions *out)
{
    struct slice profile = slice_take_word(&arguments);
    for (size_t i = 0; i < PROFILES; i++)
        if (slice_is_word(profile, profiles[i]))
            out->numbers[NUMBER_PRIORITIES] = i + 1;
}

static void parse_xclient(struct slice arguments, struct extensions *out)
{
    for (struct slice word; (word = slice_take_word(&arguments)).size > 0;)
        out->xclient |= attribute_of(word);
}

static void parse_xforward(struct slice arguments, struct extensions *out)
{
    for (struct slice word; (word = slice_take_word(&arguments)).size > 0;)
        out->xforward |= attribute_of(word);
}

static void parse_auth(struct slice mechanisms, struct extensions *out)
{
    for (struct slice word; (word = slice_take_word(&mechanisms)).size > 0;)
        out->keywords |= keyword_find(auth_mechanism_rows, AUTH_MECHANISMS, word);
}

static bool print_size(struct buffer *to, const struct extensions *offered)
{
    uint64_t limit = offered->numbers[NUMBER_SIZE];
    return limit == 0 || buffer_print(to, " %llu", (unsigned long long)limit);
}

static bool print_limits(struct buffer *to, const struct extensions *offered)
{
    bool fits = true;
    for (size_t i = 0; i < LIMITS; i++) {
        uint64_t limit = offered->numbers[limits[i].number];
        if (limit > 0)
            fits = fits && buffer_print(to, " %s=%llu", limits[i].name, (unsigned long long)limit);
    }
    return fits;
}

static bool print_deliver_by(struct buffer *to, const struct extensions *offered)
{
    uint64_t least = offered->numbers[NUMBER_BY_MIN];
    return least == 0 || buffer_print(to, " %llu", (unsigned long long)least);
}

static bool print_future_release(struct buffer *to, const struct extensions *offered)
{
    return buffer_print(to, " %llu ", (unsigned long long)offered->numbers[NUMBER_HOLD_FOR]) &&
           datetime_print(to, offered->numbers[NUMBER_HOLD_UNTIL]);
}

static bool print_priorities(struct buffer *to, const struct extensions *offered)
{
    uint64_t profile = offered->numbers[NUMBER_PRIORITIES];
    return profile == 0 || profile > PROFILES || buffer_print(to, " %s", profiles[profile - 1]);
}

static bool print_attributes(struct buffer *to, uint32_t attributes)
{
    bool fits = true;
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (attributes & attribute_rows[i].bit)
            fits = fits && buffer_put_char(to, ' ') && buffer_put_text(to, attribute_rows[i].text);
    return fits;
}

static bool print_xclient(struct buffer *to, const struct extensions *offered)
{
    return print_attributes(to, offered->xclient);
}

static bool print_xforward(struct buffer *to, const struct extensions *offered)
{
    return print_attributes(to, offered->xforward);
}

static const struct arguments {
    enum keyword keyword;
    void (*parse)(struct slice arguments, struct extensions *out);
    bool (*print)(struct buffer *to, const struct extensions *offered);
} with_arguments[] = {
    {KEYWORD_SIZE, parse_size, print_size},
    {KEYWORD_LIMITS, parse_limits, print_limits},
    {KEYWORD_DELIVERBY, parse_deliver_by, print_deliver_by},
    {KEYWORD_FUTURERELEASE, parse_future_release, print_future_release},
    {KEYWORD_MT_PRIORITY, parse_priorities, print_priorities},
    {KEYWORD_XCLIENT, parse_xclient, print_xclient},
    {KEYWORD_XFORWARD, parse_xforward, print_xforward},
};
enum { WITH_ARGUMENTS = sizeof with_arguments / sizeof *with_arguments };

/* -- whole replies -- */

static void parse_line(struct slice line, struct extensions *out)
{
    static const char old_auth[] = "AUTH="; /* before RFC 2554; some say it beside the other */
    if (slice_starts_nocase(line, old_auth)) {
        slice_drop(&line, sizeof old_auth - 1);
        parse_auth(line, out);
        return;
    }
    struct slice word = slice_take_word(&line);
    if (slice_is_word(word, "AUTH"))
        parse_auth(line, out);
    uint32_t keyword = keyword_find(keyword_rows, KEYWORDS, word);
    out->keywords |= keyword;
    for (size_t i = 0; i < WITH_ARGUMENTS; i++)
        if (keyword == with_arguments[i].keyword)
            with_arguments[i].parse(line, out);
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
    for (size_t i = 0; i < WITH_ARGUMENTS; i++)
        if (keyword == with_arguments[i].keyword)
            fits = with_arguments[i].print(to, offered);
    return fits;
}

static bool print_auth(struct buffer *to, uint32_t keywords)
{
    bool fits = (keywords & KEYWORDS_AUTH) == 0 || buffer_put_text(to, "\nAUTH");
    for (size_t i = 0; i < AUTH_MECHANISMS; i++)
        if (keywords & auth_mechanism_rows[i].bit)
            fits = fits && buffer_put_char(to, ' ') && buffer_put_text(to, auth_mechanism_rows[i].text);
    return fits;
}

bool extensions_print(struct buffer *to, struct slice greeting, const struct extensions *offered)
{
    bool fits = buffer_put(to, greeting);
    for (size_t i = 0; fits && i < KEYWORDS; i++) {
        size_t before = to->end;
        if ((offered->keywords & keyword_rows[i].bit) == 0)
            continue;
        fits = buffer_put_char(to, '\n') && buffer_put_text(to, keyword_rows[i].text) &&
               print_arguments(to, keyword_rows[i].bit, offered);
        if (!fits)
            to->end = before; /* whole lines only */
    }
    return fits && print_auth(to, offered->keywords);
}
