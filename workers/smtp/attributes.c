/* SPDX-License-Identifier: ISC */
#include "workers/smtp/attributes.h"

#include <string.h>

#include "workers/smtp/address.h"
#include "workers/smtp/command.h"
#include "workers/smtp/xtext.h"

static const char UNAVAILABLE[] = "[UNAVAILABLE]", TEMPUNAVAIL[] = "[TEMPUNAVAIL]", IPV6[] = "IPV6:";
enum { PROTO_MAX = 64, PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

const struct keyword_row attribute_rows[ATTRIBUTES] = {
    {ATTRIBUTE_NAME, "NAME"},         {ATTRIBUTE_ADDR, "ADDR"},         {ATTRIBUTE_PORT, "PORT"},
    {ATTRIBUTE_PROTO, "PROTO"},       {ATTRIBUTE_HELO, "HELO"},         {ATTRIBUTE_LOGIN, "LOGIN"},
    {ATTRIBUTE_DESTADDR, "DESTADDR"}, {ATTRIBUTE_DESTPORT, "DESTPORT"}, {ATTRIBUTE_REVERSE_NAME, "REVERSE_NAME"},
    {ATTRIBUTE_IDENT, "IDENT"},       {ATTRIBUTE_SOURCE, "SOURCE"},
};

/* -- what each may be -- */

static bool parse_address(struct slice value, struct ipaddr *out)
{
    bool is_six = slice_starts_nocase(value, IPV6);
    if (is_six)
        slice_drop(&value, sizeof(IPV6) - 1);
    return slice_has(value, ':') == is_six && ipaddr_parse(value, out);
}

static bool is_address(struct slice value)
{
    struct ipaddr unused;
    return parse_address(value, &unused);
}

static bool is_port(struct slice value)
{
    uint64_t number;
    return value.size <= PORT_DIGITS_MAX && slice_to_number(value, &number) && number <= PORT_MAX;
}

static bool is_host(struct slice value)
{
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.at[i] >= 0x80)
            return false;
    return domain_is_valid(value);
}

static bool is_protocol(struct slice value)
{
    for (size_t i = 0; i < value.size; i++)
        if (!ascii_is_alnum(value.at[i]))
            return false;
    return value.size <= PROTO_MAX;
}

static bool is_login(struct slice value)
{
    return utf8_is_printable(value);
}

/* A queue or session id. What it stands beside in a log, or in a header, is not to be forged. */
static bool is_ident(struct slice value)
{
    return helo_name_is_safe(value) && !slice_has(value, '"') && !slice_has(value, '(') && !slice_has(value, ')') &&
           !slice_has(value, '\\') && !slice_has(value, ';');
}

static bool is_source(struct slice value)
{
    return slice_is_word(value, "LOCAL") || slice_is_word(value, "REMOTE");
}

static const struct kind {
    enum attribute which;
    bool (*is_valid)(struct slice value);
} kinds[] = {
    {ATTRIBUTE_NAME, is_host},        {ATTRIBUTE_REVERSE_NAME, is_host},   {ATTRIBUTE_ADDR, is_address},
    {ATTRIBUTE_DESTADDR, is_address}, {ATTRIBUTE_PORT, is_port},           {ATTRIBUTE_DESTPORT, is_port},
    {ATTRIBUTE_PROTO, is_protocol},   {ATTRIBUTE_HELO, helo_name_is_safe}, {ATTRIBUTE_LOGIN, is_login},
    {ATTRIBUTE_IDENT, is_ident},      {ATTRIBUTE_SOURCE, is_source},
};

static bool is_valid(uint32_t which, struct slice value)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].which == which)
            return kinds[i].is_valid(value);
    return false;
}

/* -- parsing -- */

uint32_t attribute_of(struct slice name)
{
    return keyword_find(attribute_rows, ATTRIBUTES, name);
}

static int place_of(uint32_t which)
{
    int place = 0;
    while (attribute_rows[place].bit != which)
        place++;
    return place;
}

static bool take_value(uint32_t which, struct slice word, struct attribute_value *out)
{
    struct buffer decoded;
    *out = (struct attribute_value){0};
    if (slice_is_word(word, UNAVAILABLE) || slice_is_word(word, TEMPUNAVAIL)) {
        out->state = slice_is_word(word, UNAVAILABLE) ? ATTRIBUTE_UNAVAILABLE : ATTRIBUTE_TEMPUNAVAIL;
        return true;
    }
    buffer_init(&decoded, out->text, ATTRIBUTE_VALUE_MAX);
    out->state = ATTRIBUTE_KNOWN;
    return word.size > 0 && xtext_is_valid(word, false) && xtext_decode(&decoded, word) &&
           is_valid(which, buffer_unread(&decoded));
}

static enum attribute_fault parse_one(struct slice word, uint32_t allowed, uint32_t *seen, struct attributes *into)
{
    uint32_t which = attribute_of(slice_take_until(&word, '='));
    if ((which & allowed) == 0)
        return ATTRIBUTE_BAD_NAME;
    if ((which & *seen) != 0)
        return ATTRIBUTE_DOUBLED;
    *seen |= which;
    return take_value(which, word, &into->values[place_of(which)]) ? ATTRIBUTE_FINE : ATTRIBUTE_BAD_VALUE;
}

enum attribute_fault attributes_parse(struct slice text, uint32_t allowed, struct attributes *into,
                                      struct slice *culprit_out)
{
    struct attributes said = *into;
    uint32_t seen = 0;
    for (struct slice word; (word = slice_take_word(&text)).size > 0;) {
        enum attribute_fault fault = parse_one(word, allowed, &seen, &said);
        if (fault != ATTRIBUTE_FINE) {
            *culprit_out = word;
            return fault;
        }
    }
    if (seen == 0)
        return ATTRIBUTE_MISSING;
    *into = said;
    return ATTRIBUTE_FINE;
}

/* -- what was said -- */

const struct attribute_value *attributes_get(const struct attributes *attributes, enum attribute which)
{
    return &attributes->values[place_of(which)];
}

bool attributes_address(const struct attributes *attributes, enum attribute which, struct ipaddr *out)
{
    return parse_address(slice_of(attributes_get(attributes, which)->text), out);
}

bool attributes_port(const struct attributes *attributes, enum attribute which, uint16_t *out)
{
    uint64_t number;
    if (!slice_to_number(slice_of(attributes_get(attributes, which)->text), &number))
        return false;
    *out = (uint16_t)number;
    return true;
}

bool attributes_print(struct buffer *to, enum attribute which, const struct attribute_value *value)
{
    static const char *const without[] = {[ATTRIBUTE_NOT_SAID] = UNAVAILABLE,
                                          [ATTRIBUTE_UNAVAILABLE] = UNAVAILABLE,
                                          [ATTRIBUTE_TEMPUNAVAIL] = TEMPUNAVAIL};
    bool fits = buffer_print(to, " %s=", attribute_rows[place_of(which)].text);
    if (value->state == ATTRIBUTE_KNOWN)
        return fits && xtext_print(to, slice_of(value->text));
    return fits && buffer_put_text(to, without[value->state]);
}
