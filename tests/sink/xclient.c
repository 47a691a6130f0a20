/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <string.h>

#include "tests/sink/xclient.h"

static const char NO_ATTRIBUTE[] = "501 5.5.4 XCLIENT name=value ..";
static const char UNKNOWN[] = "501 5.5.4 bad XCLIENT attribute name";
static const char TOO_LONG[] = "501 5.5.4 XCLIENT attribute value too long";
static const char BAD_VALUE[] = "501 5.5.4 bad XCLIENT attribute value";

enum { VALUE_MAX = 255 };

struct attribute {
    const char *name;
    bool may_be_unknown; /* [UNAVAILABLE] */
    bool (*is_good)(const struct text *value);
};

static bool is_anything(const struct text *value)
{
    (void)value;
    return true;
}

/* As Postfix takes host names: names in DNS do have underscores. */
static bool is_host(const struct text *value)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (text_is(value, "[TEMPUNAVAIL]"))
        return true;
    for (const char *p = value->at; p < value->end; p++)
        if (!strchr(allowed, *p))
            return false;
    return true;
}

static bool is_address(const struct text *value)
{
    char host[INET6_ADDRSTRLEN];
    unsigned char address[16];
    struct text rest = *value;
    int family = take_word(&rest, "IPV6:") ? AF_INET6 : AF_INET;
    size_t size = text_size(&rest);
    if (size >= sizeof host)
        return false;
    memcpy(host, rest.at, size);
    host[size] = '\0';
    return inet_pton(family, host, address) == 1;
}

static bool is_port(const struct text *value)
{
    return is_number(value, 5);
}

static bool is_protocol(const struct text *value)
{
    return text_is(value, "SMTP") || text_is(value, "ESMTP");
}

static const struct attribute ATTRIBUTES[] = {
    /* clang-format off */
    {"NAME",     true,  is_host},
    {"ADDR",     true,  is_address},
    {"PORT",     true,  is_port},
    {"PROTO",    false, is_protocol},
    {"HELO",     true,  is_anything},
    {"LOGIN",    true,  is_anything},
    {"DESTADDR", true,  is_address},
    {"DESTPORT", true,  is_port},
    {NULL,       false, NULL},
    /* clang-format on */
};

static const char *check_value(const struct attribute *a, const struct text *value)
{
    if (text_size(value) > VALUE_MAX)
        return TOO_LONG;
    if (a->may_be_unknown && text_is(value, "[UNAVAILABLE]"))
        return NULL;
    return is_xtext(value) && a->is_good(value) ? NULL : BAD_VALUE;
}

static const char *check_one(struct text one, bool *address)
{
    struct text name = take_until(&one, '=');
    if (!take_char(&one, '='))
        return NO_ATTRIBUTE;
    for (const struct attribute *a = ATTRIBUTES; a->name; a++)
        if (text_is(&name, a->name)) {
            *address |= text_is(&name, "ADDR");
            return check_value(a, &one);
        }
    return UNKNOWN;
}

const char *xclient_check(struct text *t, bool *address_out)
{
    const char *refusal = NULL;
    *address_out = false;
    do
        refusal = check_one(take_until(t, ' '), address_out);
    while (!refusal && take_char(t, ' '));
    return refusal;
}
