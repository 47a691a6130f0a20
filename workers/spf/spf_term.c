/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <stdio.h>

#include "workers/spf/spf_term.h"

enum { BITS4 = 32, BITS6 = 128, COMPILED_HEAD = 4 };

enum spec { SPEC_NONE, SPEC_MAY, SPEC_MUST, SPEC_ADDRESS };
static const struct kind {
    const char *name;
    enum spec spec;
    bool prefixes, asks;
} kinds[] = {
    [SPF_ALL] = {"all", SPEC_NONE, false, false},
    [SPF_INCLUDE] = {"include", SPEC_MUST, false, true},
    [SPF_A] = {"a", SPEC_MAY, true, true},
    [SPF_MX] = {"mx", SPEC_MAY, true, true},
    [SPF_PTR] = {"ptr", SPEC_MAY, false, true},
    [SPF_IP4] = {"ip4", SPEC_ADDRESS, true, false},
    [SPF_IP6] = {"ip6", SPEC_ADDRESS, true, false},
    [SPF_EXISTS] = {"exists", SPEC_MUST, false, true},
    [SPF_REDIRECT] = {"redirect", SPEC_MUST, false, true},
    [SPF_EXP] = {"exp", SPEC_MUST, false, false},
    [SPF_UNKNOWN] = {"modifier", SPEC_MAY, false, false},
};

const char *spf_kind_name(enum spf_kind kind)
{
    return kinds[kind].name;
}

bool spf_kind_asks(enum spf_kind kind)
{
    return kinds[kind].asks;
}

static bool fail(const char **why_out, const char *why)
{
    *why_out = why;
    return false;
}

/* -- macros (section 7) -- */

struct macros {
    size_t literal;  /* octets since the last macro */
    size_t compiled; /* what libspf2 makes of all before them */
    bool ends_with_macro;
    size_t last_macro_end;
};

static size_t aligned(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static bool end_literal(struct macros *m)
{
    bool fits = m->literal <= SPF_LITERAL_MAX;
    if (m->literal > 0)
        m->compiled += aligned(COMPILED_HEAD + m->literal);
    m->literal = 0;
    return fits && m->compiled <= SPF_COMPILED_MAX;
}

/* What stands between %{ and }. */
static bool check_variable(struct slice body, bool in_modifier, const char **why_out)
{
    uint64_t parts = 1;
    size_t digits = 1;
    char letter = body.size > 0 ? ascii_lower(body.at[0]) : '}';
    if (strchr("slodiphcrtv", letter) == NULL)
        return fail(why_out, "an unknown macro");
    if (strchr("crt", letter) != NULL && !in_modifier)
        return fail(why_out, "a macro that is for explanations only");
    while (digits < body.size && ascii_is_digit(body.at[digits]))
        digits++;
    if (digits > 1 && !slice_to_number(slice_make(body.at + 1, digits - 1), &parts))
        parts = 0;
    if (parts == 0 || parts > SPF_MACRO_PARTS_MAX)
        return fail(why_out, "a macro of no, or too many, parts");
    slice_drop(&body, digits);
    if (body.size > 0 && ascii_lower(body.at[0]) == 'r')
        slice_drop(&body, 1);
    for (size_t i = 0; i < body.size; i++) {
        if (strchr(".-+,/_=", body.at[i]) == NULL)
            return fail(why_out, "a malformed macro");
        if (strchr(",/", body.at[i]) != NULL)
            return fail(why_out, "a macro with a delimiter that libspf2 does not know");
    }
    return true;
}

/* The size of a macro-expand at the front of `rest`, 0 with *why_out. */
static size_t check_macro(struct slice rest, struct macros *m, bool in_modifier, const char **why_out)
{
    if (rest.size >= 2 && strchr("%_-", rest.at[1]) != NULL) {
        m->literal += rest.at[1] == '-' ? 3 : 1;
        return 2;
    }
    const char *end = rest.size >= 2 && rest.at[1] == '{' ? memchr(rest.at, '}', rest.size) : NULL;
    if (end == NULL) {
        fail(why_out, "a malformed macro");
        return 0;
    }
    size_t size = (size_t)(end - rest.at) + 1;
    if (!check_variable(slice_make(rest.at + 2, size - 3), in_modifier, why_out))
        return 0;
    if (!end_literal(m)) {
        fail(why_out, "a domain that is too long");
        return 0;
    }
    m->compiled += COMPILED_HEAD;
    return size;
}

static bool check_macro_string(struct slice text, struct macros *m, bool in_modifier, const char **why_out)
{
    *m = (struct macros){0};
    for (size_t at = 0; at < text.size;) {
        bool is_macro = text.at[at] == '%';
        size_t size = 1;
        if (is_macro)
            size = check_macro(slice_make(text.at + at, text.size - at), m, in_modifier, why_out);
        else
            m->literal++;
        if (size == 0)
            return false;
        at += size;
        m->ends_with_macro = is_macro;
        m->last_macro_end = is_macro ? at : m->last_macro_end;
    }
    return true;
}

/* toplabel: letters, digits and inner hyphens, and not digits alone. */
static bool is_toplabel(struct slice label)
{
    bool all_digits = true;
    for (size_t i = 0; i < label.size; i++) {
        bool is_inner = i > 0 && i + 1 < label.size;
        if (!ascii_is_alnum(label.at[i]) && !(label.at[i] == '-' && is_inner))
            return false;
        all_digits = all_digits && ascii_is_digit(label.at[i]);
    }
    return label.size > 0 && !all_digits;
}

static bool check_domain_end(struct slice spec, const struct macros *m)
{
    if (m->ends_with_macro)
        return true;
    struct slice tail = slice_without_dot(slice_make(spec.at + m->last_macro_end, spec.size - m->last_macro_end));
    size_t dot = tail.size;
    while (dot > 0 && tail.at[dot - 1] != '.')
        dot--;
    return dot > 0 && is_toplabel(slice_make(tail.at + dot, tail.size - dot));
}

static bool check_domain_spec(struct slice spec, const char **why_out)
{
    struct macros m;
    if (spec.size == 0)
        return fail(why_out, "no domain");
    if (!check_macro_string(spec, &m, false, why_out))
        return false;
    if (!check_domain_end(spec, &m))
        return fail(why_out, "a domain that does not end as one");
    if (!end_literal(&m) || spec.size > SPF_SPEC_MAX)
        return fail(why_out, "a domain that is too long");
    return true;
}

/* -- prefixes -- */

/* Digits at the end with so many slashes before them, taken off *text. Without them *bits_out stays. */
static bool take_prefix(struct slice *text, size_t slashes, int most, int *bits_out, const char **why_out)
{
    uint64_t bits = 0;
    size_t at = text->size;
    while (at > 0 && ascii_is_digit(text->at[at - 1]))
        at--;
    struct slice digits = slice_make(text->at + at, text->size - at);
    if (digits.size == 0 || at < slashes || memcmp(text->at + at - slashes, "//", slashes) != 0)
        return true;
    if ((digits.at[0] == '0' && digits.size > 1) || !slice_to_number(digits, &bits) || bits > (uint64_t)most)
        return fail(why_out, "a prefix length that is none");
    *bits_out = (int)bits;
    text->size = at - slashes;
    return true;
}

static bool take_prefixes(struct slice *text, struct spf_term *out, const char **why_out)
{
    return take_prefix(text, 2, BITS6, &out->prefix6, why_out) && take_prefix(text, 1, BITS4, &out->prefix4, why_out);
}

static bool parse_network(struct slice text, struct spf_term *out, const char **why_out)
{
    bool is_six = out->kind == SPF_IP6;
    struct ipaddr address = {.family = is_six ? 6 : 4};
    char copy[INET6_ADDRSTRLEN];
    int bits = is_six ? BITS6 : BITS4;
    out->spec = text;
    if (!take_prefix(&text, 1, bits, &bits, why_out))
        return false;
    if (text.size >= sizeof(copy))
        return fail(why_out, "an address that is none");
    memcpy(copy, text.at, text.size);
    copy[text.size] = '\0';
    if (inet_pton(is_six ? AF_INET6 : AF_INET, copy, address.bytes) != 1)
        return fail(why_out, "an address that is none");
    out->network = network_of(&address, (unsigned)bits);
    return true;
}

/* -- terms -- */

static bool is_name_octet(char c, bool is_first)
{
    return is_first ? ascii_is_alnum(c) && !ascii_is_digit(c) : ascii_is_alnum(c) || strchr("-_.", c) != NULL;
}

static size_t name_size(struct slice text)
{
    size_t size = 0;
    while (size < text.size && is_name_octet(text.at[size], size == 0))
        size++;
    return size;
}

static bool parse_modifier(struct slice name, struct slice value, struct spf_term *out, const char **why_out)
{
    struct macros m;
    out->spec = value;
    out->kind = slice_is_word(name, "redirect") ? SPF_REDIRECT : slice_is_word(name, "exp") ? SPF_EXP : SPF_UNKNOWN;
    if (out->kind == SPF_UNKNOWN)
        return check_macro_string(value, &m, true, why_out);
    return check_domain_spec(value, why_out);
}

/* What stands behind a mechanism's name: "", ":domain", "/24//64", ":domain/24", ":192.0.2.0/24". */
static bool parse_value(struct slice value, struct spf_term *out, const char **why_out)
{
    enum spec spec = kinds[out->kind].spec;
    if (spec == SPEC_ADDRESS && value.size > 0 && value.at[0] == ':')
        return parse_network(slice_make(value.at + 1, value.size - 1), out, why_out);
    if (spec != SPEC_ADDRESS && kinds[out->kind].prefixes && !take_prefixes(&value, out, why_out))
        return false;
    if (value.size == 0)
        return spec == SPEC_MUST || spec == SPEC_ADDRESS ? fail(why_out, "a mechanism without its value") : true;
    if (value.at[0] != ':' || spec == SPEC_NONE || spec == SPEC_ADDRESS)
        return fail(why_out, "a mechanism with what does not belong to it");
    slice_drop(&value, 1);
    out->spec = value;
    return check_domain_spec(value, why_out);
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < '!' || text.at[i] > '~')
            return false;
    return true;
}

bool spf_term_parse(struct slice text, struct spf_term *out, const char **why_out)
{
    *out = (struct spf_term){.qualifier = '+', .prefix4 = BITS4, .prefix6 = BITS6};
    if (!is_printable(text))
        return fail(why_out, "an octet that is not printable ASCII");
    size_t size = name_size(text);
    if (size > 0 && size < text.size && text.at[size] == '=')
        return parse_modifier(slice_make(text.at, size), slice_make(text.at + size + 1, text.size - size - 1), out,
                              why_out);
    if (text.size > 0 && strchr("+-?~", text.at[0]) != NULL) {
        out->qualifier = text.at[0];
        slice_drop(&text, 1);
        size = name_size(text);
    }
    for (out->kind = SPF_ALL; out->kind < SPF_REDIRECT; out->kind++)
        if (slice_is_word(slice_make(text.at, size), kinds[out->kind].name))
            return parse_value(slice_make(text.at + size, text.size - size), out, why_out);
    return fail(why_out, "an unknown mechanism");
}
