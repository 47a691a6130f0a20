/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "tests/sink/grammar.h"

bool text_is_empty(const struct text *t)
{
    return t->at == t->end;
}

size_t text_size(const struct text *t)
{
    return (size_t)(t->end - t->at);
}

bool text_is(const struct text *t, const char *word)
{
    return text_size(t) == strlen(word) && strncasecmp(t->at, word, text_size(t)) == 0;
}

bool take_char(struct text *t, char c)
{
    if (text_is_empty(t) || *t->at != c)
        return false;
    t->at++;
    return true;
}

bool take_word(struct text *t, const char *word)
{
    size_t size = strlen(word);
    if (text_size(t) < size || strncasecmp(t->at, word, size) != 0)
        return false;
    t->at += size;
    return true;
}

struct text take_until(struct text *t, char c)
{
    struct text before = *t;
    const char *found = memchr(t->at, c, text_size(t));
    t->at = before.end = found ? found : t->end;
    return before;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_atext(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_graphic(char c)
{
    return c >= 33 && c <= 126;
}

/* One UTF8-non-ascii character, RFC 3629 section 4: no overlong form, no surrogate, nothing past U+10FFFF. */
static bool take_utf8(struct text *t)
{
    const unsigned char *p = (const unsigned char *)t->at;
    size_t room = text_size(t);
    size_t size = room == 0 || p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (size == 0 || size > room)
        return false;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return false;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return false;
    t->at += size;
    return true;
}

bool take_atom(struct text *t)
{
    const char *from = t->at;
    while (!text_is_empty(t) && is_atext(*t->at))
        t->at++;
    return t->at > from;
}

/* sub-domain = Let-dig [Ldh-str] / U-label */
static bool take_label(struct text *t, bool *utf8)
{
    const char *from = t->at;
    if (take_char(t, '-'))
        return false;
    for (;;) {
        if (!text_is_empty(t) && (is_alnum(*t->at) || *t->at == '-'))
            t->at++;
        else if (take_utf8(t))
            *utf8 = true;
        else
            break;
    }
    return t->at > from && t->at[-1] != '-';
}

static bool take_address_literal(struct text *t)
{
    char host[INET6_ADDRSTRLEN];
    unsigned char address[16];
    struct text inner = take_until(t, ']');
    int family = take_word(&inner, "[IPv6:") ? AF_INET6 : AF_INET;
    if (family == AF_INET && !take_char(&inner, '['))
        return false;
    size_t size = text_size(&inner);
    if (size >= sizeof host || memchr(inner.at, '\0', size))
        return false;
    memcpy(host, inner.at, size);
    host[size] = '\0';
    return inet_pton(family, host, address) == 1 && take_char(t, ']');
}

static bool take_name(struct text *t, bool *utf8)
{
    if (!text_is_empty(t) && *t->at == '[')
        return take_address_literal(t);
    do {
        if (!take_label(t, utf8))
            return false;
    } while (take_char(t, '.'));
    return true;
}

bool take_domain(struct text *t)
{
    bool utf8 = false;
    return take_name(t, &utf8) && !utf8; /* RFC 6531 section 3.7.1: EHLO's argument is ASCII */
}

static bool take_dot_string(struct text *t, bool *utf8)
{
    do {
        const char *from = t->at;
        while (take_atom(t) || (take_utf8(t) && (*utf8 = true)))
            ;
        if (t->at == from)
            return false;
    } while (take_char(t, '.'));
    return true;
}

static bool take_quoted_string(struct text *t, bool *utf8)
{
    if (!take_char(t, '"'))
        return false;
    while (!text_is_empty(t) && *t->at != '"') {
        bool quoted_pair = take_char(t, '\\');
        if (!quoted_pair && take_utf8(t))
            *utf8 = true;
        else if (!text_is_empty(t) && (is_graphic(*t->at) || *t->at == ' '))
            t->at++;
        else
            return false;
    }
    return take_char(t, '"');
}

static bool take_mailbox(struct text *t, bool *utf8)
{
    bool quoted = !text_is_empty(t) && *t->at == '"';
    return (quoted ? take_quoted_string(t, utf8) : take_dot_string(t, utf8)) && take_char(t, '@') && take_name(t, utf8);
}

/* A-d-l ":"; its absence is fine. */
static bool take_source_route(struct text *t, bool *utf8)
{
    if (text_is_empty(t) || *t->at != '@')
        return true;
    do {
        if (!take_char(t, '@') || !take_name(t, utf8))
            return false;
    } while (take_char(t, ','));
    return take_char(t, ':');
}

bool take_path(struct text *t, bool *utf8_out, bool *null_out)
{
    *utf8_out = false;
    *null_out = take_word(t, "<>");
    if (*null_out || take_word(t, "<postmaster>"))
        return true;
    return take_char(t, '<') && take_source_route(t, utf8_out) && take_mailbox(t, utf8_out) && take_char(t, '>');
}

static bool is_upper_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

bool is_xtext(const struct text *t)
{
    for (const char *p = t->at; p < t->end; p++) {
        if (!is_graphic(*p) || *p == '=')
            return false;
        if (*p == '+' && (t->end - p < 3 || !is_upper_hex(p[1]) || !is_upper_hex(p[2])))
            return false;
    }
    return !text_is_empty(t);
}

bool is_number(const struct text *t, size_t digits_max)
{
    for (const char *p = t->at; p < t->end; p++)
        if (*p < '0' || *p > '9')
            return false;
    return !text_is_empty(t) && text_size(t) <= digits_max;
}
