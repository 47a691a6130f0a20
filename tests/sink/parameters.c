/* SPDX-License-Identifier: ISC */
#include "tests/sink/parameters.h"

static const char UNKNOWN[] = "555 5.5.4 this parameter was not offered";
static const char DOUBLED[] = "501 5.5.4 this parameter was given already";
static const char BAD_VALUE[] = "501 5.5.4 this parameter's value is not well-formed";
static const char BAD_LIST[] = "501 5.5.4 parameters are name=value, one space before each";

enum { ENVID_MAX = 100, ORCPT_MAX = 500 }; /* RFC 3461 sections 4.4 and 4.2 */

struct parameter {
    const char *name;
    bool has_value;
    bool (*is_good)(const struct text *value);
};

static bool is_size(const struct text *value)
{
    return is_number(value, 20); /* RFC 1870 section 3 */
}

static bool is_body(const struct text *value)
{
    return text_is(value, "7BIT") || text_is(value, "8BITMIME");
}

static bool is_ret(const struct text *value)
{
    return text_is(value, "FULL") || text_is(value, "HDRS");
}

static bool is_envid(const struct text *value)
{
    return is_xtext(value) && text_size(value) <= ENVID_MAX;
}

static bool is_notify(const struct text *value)
{
    struct text rest = *value;
    if (text_is(value, "NEVER"))
        return true;
    do {
        struct text word = take_until(&rest, ',');
        if (!text_is(&word, "SUCCESS") && !text_is(&word, "FAILURE") && !text_is(&word, "DELAY"))
            return false;
    } while (take_char(&rest, ','));
    return true;
}

static bool is_orcpt(const struct text *value)
{
    struct text rest = *value;
    return text_size(value) <= ORCPT_MAX && take_atom(&rest) && take_char(&rest, ';') && is_xtext(&rest);
}

static const struct parameter OF_MAIL[] = {
    {"SIZE", true, is_size}, {"BODY", true, is_body},   {"SMTPUTF8", false, NULL},
    {"RET", true, is_ret},   {"ENVID", true, is_envid}, {NULL, false, NULL},
};
static const struct parameter OF_RCPT[] = {
    {"NOTIFY", true, is_notify},
    {"ORCPT", true, is_orcpt},
    {NULL, false, NULL},
};

static const char *judge(const struct parameter *p, struct text *one)
{
    if (take_char(one, '=') != p->has_value)
        return BAD_VALUE;
    return !p->has_value ? (text_is_empty(one) ? NULL : BAD_VALUE) : p->is_good(one) ? NULL : BAD_VALUE;
}

static const char *take_one(const struct parameter *table, struct text one, unsigned *seen)
{
    struct text name = take_until(&one, '=');
    if (text_is_empty(&name))
        return BAD_LIST;
    for (unsigned i = 0; table[i].name; i++) {
        if (!text_is(&name, table[i].name))
            continue;
        if (*seen & 1U << i)
            return DOUBLED;
        *seen |= 1U << i;
        return judge(&table[i], &one);
    }
    return UNKNOWN;
}

static const char *take_all(const struct parameter *table, struct text *t, unsigned *seen)
{
    const char *refusal = NULL;
    while (!refusal && !text_is_empty(t))
        refusal = take_char(t, ' ') ? take_one(table, take_until(t, ' '), seen) : BAD_LIST;
    return refusal;
}

const char *mail_parameters(struct text *t, struct parameters *out)
{
    unsigned seen = 0;
    const char *refusal = take_all(OF_MAIL, t, &seen);
    out->smtputf8 = seen & 1U << 2;
    return refusal;
}

const char *rcpt_parameters(struct text *t, struct parameters *out)
{
    unsigned seen = 0;
    out->smtputf8 = false;
    return take_all(OF_RCPT, t, &seen);
}
