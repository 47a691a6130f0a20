/* SPDX-License-Identifier: ISC */
#include "workers/smtp/address.h"

#include <string.h>

enum { LABEL_MAX_OCTETS = 63 };

static bool is_8bit(char c)
{
    return (unsigned char)c >= 0x80;
}

static bool has_8bit(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (is_8bit(text.at[i]))
            return true;
    return false;
}

/* ---- UTF-8 ---- */

/* The code point at the front, taken off; -1 for what is none. */
static int32_t take_code_point(struct slice *rest)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by size: less would be an overlong form */
    unsigned char first = (unsigned char)*rest->at;
    size_t size = first < 0x80 ? 1 : first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0;
    if (size == 0 || size > rest->size)
        return -1;
    int32_t point = size == 1 ? first : first & (0x7F >> size);
    for (size_t i = 1; i < size; i++) {
        unsigned char next = (unsigned char)rest->at[i];
        if ((next & 0xC0) != 0x80)
            return -1;
        point = point << 6 | (next & 0x3F);
    }
    if (point < least[size] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return -1;
    slice_drop(rest, size);
    return point;
}

bool utf8_is_valid(struct slice octets)
{
    while (octets.size > 0)
        if (take_code_point(&octets) < 0)
            return false;
    return true;
}

bool code_point_is_printable(int32_t point)
{
    return point >= 0x20 && !(point >= 0x7F && point <= 0x9F) && point != 0x2028 && point != 0x2029;
}

bool utf8_is_printable(struct slice octets)
{
    while (octets.size > 0)
        if (!code_point_is_printable(take_code_point(&octets)))
            return false;
    return true;
}

/* ---- domain ---- */

static bool label_is_valid(struct slice label)
{
    /* A U-label may be longer than what it becomes in the DNS. */
    if (label.size == 0 || (label.size > LABEL_MAX_OCTETS && !has_8bit(label)))
        return false;
    for (size_t i = 0; i < label.size; i++) {
        char c = label.at[i];
        if (!ascii_is_alnum(c) && c != '-' && c != '_' && !is_8bit(c))
            return false;
    }
    return true;
}

bool domain_is_valid(struct slice domain)
{
    if (domain.size == 0 || domain.size > DOMAIN_MAX_OCTETS || !utf8_is_printable(domain))
        return false;
    while (domain.size > 0)
        if (!label_is_valid(slice_take_until(&domain, '.')))
            return false;
    return true;
}

bool literal_parse(struct slice literal, struct ipaddr *out)
{
    static const char tag[] = "[IPv6:";
    if (literal.size < 2 || literal.at[0] != '[' || literal.at[literal.size - 1] != ']')
        return false;
    bool is_ipv6 = slice_starts_nocase(literal, tag);
    slice_drop(&literal, is_ipv6 ? strlen(tag) : 1);
    literal.size--;
    return slice_has(literal, ':') == is_ipv6 && ipaddr_parse(literal, out);
}

static bool domain_or_literal_is_valid(struct slice domain)
{
    struct ipaddr unused;
    return domain.size > 0 && *domain.at == '[' ? literal_parse(domain, &unused) : domain_is_valid(domain);
}

/* ---- path ---- */

/* Octets of a quoted string at the front, with its quotes; 0 when it is not one. */
static size_t measure_quoted(struct slice text)
{
    for (size_t i = 1; i < text.size; i++) {
        if (text.at[i] == '"')
            return i + 1;
        if (text.at[i] == '\\' && ++i == text.size)
            return 0;
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7F)
            return 0;
    }
    return 0;
}

/* What may stand outside quotes: all that is printable but blanks and RFC 5321's specials. A dot may stand anywhere. */
static bool is_local_char(char c)
{
    return is_8bit(c) || (c > ' ' && c < 0x7F && !strchr("()<>[]:;@\\,\"", c));
}

static size_t measure_word(struct slice text)
{
    size_t i = 0;
    while (i < text.size && is_local_char(text.at[i]) && text.at[i] != '.')
        i++;
    return i;
}

/* Octets of the local part at the front: words and quoted strings with dots between, as RFC 822 had them. A quote in
 * the middle of a word, a comment, or a second @ ends it, and the caller finds neither @ nor > there. */
static size_t measure_local(struct slice text)
{
    struct slice rest = text;
    while (rest.size > 0) {
        bool is_quoted = *rest.at == '"';
        size_t size = is_quoted ? measure_quoted(rest) : measure_word(rest);
        if (is_quoted && size == 0)
            return 0;
        slice_drop(&rest, size);
        if (rest.size == 0 || *rest.at != '.')
            break;
        slice_drop(&rest, 1);
    }
    return text.size - rest.size;
}

static size_t measure_domain(struct slice text)
{
    if (text.size > 0 && *text.at == '[') {
        const char *end = memchr(text.at, ']', text.size);
        return end ? (size_t)(end - text.at) + 1 : 0;
    }
    size_t i = 0;
    while (i < text.size && is_local_char(text.at[i]))
        i++;
    return i;
}

static struct slice take(struct slice *rest, size_t size)
{
    struct slice taken = slice_make(rest->at, size);
    slice_drop(rest, size);
    return taken;
}

static bool take_char(struct slice *rest, char c)
{
    if (rest->size == 0 || *rest->at != c)
        return false;
    slice_drop(rest, 1);
    return true;
}

/* "@a,@b:" */
static enum path_fault take_route(struct slice *rest)
{
    do {
        if (!take_char(rest, '@'))
            return PATH_SYNTAX;
        if (!domain_or_literal_is_valid(take(rest, measure_domain(*rest))))
            return PATH_BAD_DOMAIN;
    } while (take_char(rest, ','));
    return take_char(rest, ':') ? PATH_FINE : PATH_SYNTAX;
}

/* What stands between < and >, or alone: a route or none, local part, domain. */
static enum path_fault take_mailbox(struct slice *rest, struct path *out)
{
    out->has_route = rest->size > 0 && *rest->at == '@';
    enum path_fault fault = out->has_route ? take_route(rest) : PATH_FINE;
    if (fault != PATH_FINE)
        return fault;
    out->local = take(rest, measure_local(*rest));
    if (out->local.size == 0)
        return PATH_SYNTAX;
    if (!take_char(rest, '@'))
        return PATH_FINE;
    out->domain = take(rest, measure_domain(*rest));
    return out->domain.size > 0 ? PATH_FINE : PATH_BAD_DOMAIN;
}

static enum path_fault check_parts(struct path *path)
{
    path->has_8bit = has_8bit(path->local) || has_8bit(path->domain);
    if (path->domain.size > DOMAIN_MAX_OCTETS)
        return PATH_TOO_LONG;
    if (!utf8_is_valid(path->local) || !utf8_is_valid(path->domain))
        return PATH_BAD_UTF8;
    if (!utf8_is_printable(path->local))
        return PATH_SYNTAX;
    if (path->domain.size > 0)
        return domain_or_literal_is_valid(path->domain) ? PATH_FINE : PATH_BAD_DOMAIN;
    return path_is_postmaster(path) ? PATH_FINE : PATH_BAD_DOMAIN;
}

static enum path_fault take_path(struct slice *rest, bool null_is_allowed, struct path *out)
{
    const char *begin = rest->at;
    bool has_bracket = take_char(rest, '<');
    if (has_bracket && take_char(rest, '>')) {
        out->is_null = true;
        return null_is_allowed ? PATH_FINE : PATH_SYNTAX;
    }
    enum path_fault fault = take_mailbox(rest, out);
    if (fault != PATH_FINE)
        return fault;
    if (has_bracket && !take_char(rest, '>'))
        return PATH_SYNTAX;
    return rest->at - begin > PATH_MAX_OCTETS ? PATH_TOO_LONG : check_parts(out);
}

enum path_fault path_parse(struct slice *text, bool null_is_allowed, struct path *out)
{
    struct slice rest = *text;
    *out = (struct path){0};
    while (take_char(&rest, ' ') || take_char(&rest, '\t'))
        continue;
    if (rest.size == 0)
        return PATH_MISSING;
    enum path_fault fault = take_path(&rest, null_is_allowed, out);
    /* "<a@b>SIZE=1" and "<a@b>c" are nothing. */
    if (fault == PATH_FINE && rest.size > 0 && *rest.at != ' ' && *rest.at != '\t')
        fault = PATH_SYNTAX;
    if (fault == PATH_FINE)
        *text = rest;
    else
        *out = (struct path){0};
    return fault;
}

bool path_print(struct buffer *to, const struct path *path)
{
    bool fits = buffer_put_char(to, '<') && buffer_put(to, path->local);
    if (path->domain.size > 0)
        fits = fits && buffer_put_char(to, '@') && buffer_put(to, path->domain);
    return fits && buffer_put_char(to, '>');
}

bool path_local_has_routing(const struct path *path)
{
    return slice_has(path->local, '%') || slice_has(path->local, '!') || slice_has(path->local, '@');
}

struct slice path_plain_local(const struct path *path, char text[PATH_MAX_OCTETS])
{
    struct slice local = path->local;
    size_t size = 0;
    if (local.size < 2 || local.at[0] != '"' || local.size > PATH_MAX_OCTETS)
        return local;
    for (size_t i = 1; i + 1 < local.size; i++) {
        i += local.at[i] == '\\' && i + 2 < local.size;
        text[size++] = local.at[i];
    }
    return slice_make(text, size);
}

bool path_is_postmaster(const struct path *path)
{
    return slice_is_word(path->local, "postmaster") || slice_is_word(path->local, "\"postmaster\"");
}
