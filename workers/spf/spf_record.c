/* SPDX-License-Identifier: ISC */
#include "workers/spf/spf_record.h"
#include "workers/spf/spf_term.h"

static const char VERSION[] = "v=spf1";
enum { VERSION_SIZE = sizeof(VERSION) - 1 };

struct rewriting {
    const struct ipaddr *client;
    struct buffer *out;
    int asking;   /* terms that ask DNS */
    bool settled; /* nothing behind it can matter */
    bool has_all; /* anywhere: redirect= is void then (section 6.1) */
    bool has_exp;
    struct spf_term redirect;
    bool has_redirect;
};

bool spf_record_is_one(struct slice text)
{
    return slice_starts_nocase(text, VERSION) && (text.size == VERSION_SIZE || text.at[VERSION_SIZE] == ' ');
}

static void put_head(struct rewriting *r, const struct spf_term *term, char before_spec)
{
    if (buffer_unread(r->out).size > 0)
        buffer_put_char(r->out, ' ');
    if (term->qualifier != '+')
        buffer_put_char(r->out, term->qualifier);
    buffer_put_text(r->out, spf_kind_name(term->kind));
    if (before_spec != '\0')
        buffer_put_char(r->out, before_spec);
}

static void put_all(struct rewriting *r, char qualifier)
{
    put_head(r, &(struct spf_term){.kind = SPF_ALL, .qualifier = qualifier}, '\0');
    r->settled = true;
}

/* A dot at its end would be in the middle of what %{d} is a part of. */
static void put_spec(struct rewriting *r, struct slice spec)
{
    buffer_put(r->out, slice_without_dot(spec));
}

/* a and mx: of the two prefixes that of the client's family is left, where it says something. */
static void put_with_prefix(struct rewriting *r, const struct spf_term *term)
{
    bool is_six = r->client->family == 6;
    int bits = is_six ? term->prefix6 : term->prefix4;
    bool is_any = bits == 0, is_whole = bits == (is_six ? 128 : 32);
    put_head(r, term, is_any || term->spec.size > 0 ? ':' : '\0');
    if (is_any)
        buffer_put_text(r->out, SPF_MARK_ANY);
    put_spec(r, is_any && term->spec.size == 0 ? slice_of("%{d}") : term->spec);
    if (!is_any && !is_whole)
        buffer_print(r->out, "%s%d", is_six ? "//" : "/", bits);
}

static void put_asking(struct rewriting *r, const struct spf_term *term)
{
    if (term->kind == SPF_A || term->kind == SPF_MX) {
        put_with_prefix(r, term);
    } else {
        char before = term->kind == SPF_REDIRECT ? '=' : ':';
        put_head(r, term, term->spec.size > 0 ? before : '\0');
        put_spec(r, term->spec);
    }
    r->asking++;
    r->settled = r->asking > SPF_LOOKUPS_MAX;
}

static void put_network(struct rewriting *r, const struct spf_term *term)
{
    if (!network_holds(&term->network, r->client))
        return;
    if (term->network.prefix == 0) {
        put_all(r, term->qualifier);
        return;
    }
    put_head(r, term, ':');
    buffer_put(r->out, term->spec);
    r->settled = true;
}

static void put_mechanism(struct rewriting *r, const struct spf_term *term)
{
    if (r->settled)
        return;
    if (term->kind == SPF_ALL)
        put_all(r, term->qualifier);
    else if (term->kind == SPF_IP4 || term->kind == SPF_IP6)
        put_network(r, term);
    else
        put_asking(r, term);
}

static bool take_term(struct rewriting *r, const struct spf_term *term)
{
    switch (term->kind) {
    case SPF_REDIRECT:
        if (r->has_redirect)
            return false;
        r->has_redirect = true;
        r->redirect = *term;
        return true;
    case SPF_EXP:
        if (r->has_exp)
            return false;
        r->has_exp = true;
        return true;
    case SPF_UNKNOWN:
        return true;
    case SPF_ALL:
    case SPF_INCLUDE:
    case SPF_A:
    case SPF_MX:
    case SPF_PTR:
    case SPF_IP4:
    case SPF_IP6:
    case SPF_EXISTS:
        break;
    }
    r->has_all = r->has_all || term->kind == SPF_ALL;
    put_mechanism(r, term);
    return true;
}

bool spf_record_rewrite(struct slice text, const struct ipaddr *client, struct buffer *out, const char **why_out,
                        struct slice *culprit_out)
{
    struct rewriting r = {.client = client, .out = out};
    slice_drop(&text, VERSION_SIZE);
    while (text.size > 0) {
        struct spf_term term;
        struct slice word = *culprit_out = slice_take_until(&text, ' ');
        if (word.size == 0)
            continue;
        if (!spf_term_parse(word, &term, why_out))
            return false;
        *why_out = "a modifier that is there twice";
        if (!take_term(&r, &term))
            return false;
    }
    if (r.has_redirect && !r.has_all && !r.settled)
        put_asking(&r, &r.redirect);
    *culprit_out = slice_make(NULL, 0);
    *why_out = "a record that is too long";
    return !out->overflow;
}
