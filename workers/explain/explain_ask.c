/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "workers/explain/explain_ask.h"
#include "workers/smtp/command.h"
#include "workers/smtp/sasl.h"

enum { HOST_NAME_MAX_OCTETS = 255 };

/* Each takes a value; NULL, or what is wrong with it. */

static const char *take_helo(struct slice value, struct explain_ask *out)
{
    out->helo = value;
    return helo_name_is_safe(value) ? NULL : "helo= is a name as a client says it: no blank in it, at most 255 octets";
}

static bool take_path(struct slice value, bool null_is_allowed, struct path *out)
{
    return path_parse(&value, null_is_allowed, out) == PATH_FINE && value.size == 0;
}

static const char *take_from(struct slice value, struct explain_ask *out)
{
    out->has_from = true;
    if (value.size == 0)
        value = slice_of("<>");
    return take_path(value, true, &out->from) ? NULL : "from= is no address; nothing, or <>, for the null sender";
}

static const char *take_to(struct slice value, struct explain_ask *out)
{
    out->has_to = true;
    return value.size > 0 && take_path(value, false, &out->to) ? NULL : "to= is no address";
}

static const char *take_login(struct slice value, struct explain_ask *out)
{
    out->login = value;
    return value.size > 0 && value.size <= SASL_LOGIN_MAX ? NULL : "login= is empty, or too long";
}

static const char *take_name(struct slice value, struct explain_ask *out)
{
    out->name = value;
    return value.size <= HOST_NAME_MAX_OCTETS && domain_is_valid(value) ? NULL : "name= is no host name";
}

static const char *take_listener(struct slice value, struct explain_ask *out)
{
    out->listener = value;
    return value.size > 0 ? NULL : "listener= is empty";
}

static const char *take_mode(struct slice value, struct explain_ask *out)
{
    out->enforce = slice_is_word(value, "enforce");
    return out->enforce ? NULL : "mode= can only be enforce";
}

static const struct key {
    const char *word;
    const char *(*take)(struct slice value, struct explain_ask *out);
} KEYS[] = {
    {"helo=", take_helo}, {"from=", take_from},         {"to=", take_to}, {"login=", take_login}, {"name=", take_name},
    {"mode=", take_mode}, {"listener=", take_listener},
};

static const char *take_word(struct slice word, bool seen[], struct explain_ask *out)
{
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        struct slice key = slice_of(KEYS[i].word);
        if (!slice_starts_nocase(word, KEYS[i].word))
            continue;
        if (seen[i])
            return "one of the arguments is there twice";
        seen[i] = true;
        slice_drop(&word, key.size);
        return KEYS[i].take(word, out);
    }
    return "there is no such argument; helo=, from=, to=, login=, name=, listener= and mode= are known";
}

static const char *parse(const struct slice words[], int count, struct explain_ask *out)
{
    bool seen[sizeof(KEYS) / sizeof(KEYS[0])] = {false};
    const char *why = NULL;
    if (count < 1 || !ipaddr_parse(words[0], &out->client))
        return "the client is an address: 192.0.2.7 or 2001:db8::7";
    for (int i = 1; i < count && why == NULL; i++)
        why = take_word(words[i], seen, out);
    if (why == NULL && out->has_to && !out->has_from)
        why = "to= needs from=, which may be empty";
    return why;
}

bool explain_ask_parse(const struct slice words[], int count, struct explain_ask *out, const char **why_out)
{
    *out = (struct explain_ask){0};
    *why_out = parse(words, count, out);
    return *why_out == NULL;
}
