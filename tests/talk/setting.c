/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/talk/setting.h"

enum { SETTING_TEXT_MAX = 1024 };

static char *copy(struct slice text)
{
    char *memory = strndup(text.at, text.size);
    if (!memory)
        abort();
    return memory;
}

static const char *policy(struct script *script, struct slice rest)
{
    size_t before = script->policy ? strlen(script->policy) : 0, size = before + rest.size + 2;
    script->policy = realloc(script->policy, size);
    if (!script->policy)
        abort();
    snprintf(script->policy + before, size - before, "%.*s\n", SLICE_ARGS(rest));
    return NULL;
}

static const char *option(struct script *script, struct slice rest)
{
    struct slice name = slice_trim(slice_take_until(&rest, '='));
    struct slice value = slice_trim(rest);
    char text[SETTING_TEXT_MAX];
    if (script->setting_count == SCRIPT_SETTINGS_MAX || name.size == 0 || value.size == 0)
        return "set wants option = value, and not too many";
    int size = snprintf(text, sizeof text, "%.*s=%.*s", SLICE_ARGS(name), SLICE_ARGS(value));
    if (size >= (int)sizeof text)
        return "too long";
    script->settings[script->setting_count++] = copy(slice_make(text, (size_t)size));
    return NULL;
}

static const char *client(struct script *script, struct slice rest)
{
    free(script->client);
    script->client = copy(rest);
    return NULL;
}

static const char *reputation(struct script *script, struct slice rest)
{
    bool good = slice_equal(rest, slice_of("good")), bad = slice_equal(rest, slice_of("bad"));
    script->reputation = good ? REPUTATION_GOOD : REPUTATION_BAD;
    return good || bad ? NULL : "a reputation is good or bad";
}

static const char *dns(struct script *script, struct slice rest)
{
    if (script->dns_count == SCRIPT_DNS_MAX)
        return "too many lines of dns";
    script->dns[script->dns_count++] = copy(rest);
    return NULL;
}

static const char *store(struct script *script, struct slice rest)
{
    if (script->store_count == SCRIPT_STORE_MAX)
        return "too many lines of store";
    script->store[script->store_count++] = copy(rest);
    return NULL;
}

static const char *list(struct script *script, struct slice rest)
{
    struct slice line = rest, name = slice_take_word(&rest);
    if (script->list_count == SCRIPT_LISTS_MAX)
        return "too many lines of list";
    if (name.size == 0 || slice_has(name, '/'))
        return "wanted: list NAME, and a line of it";
    script->lists[script->list_count++] = copy(line);
    return NULL;
}

static const char *servers(struct script *script, struct slice rest)
{
    uint64_t count;
    if (!slice_to_number(rest, &count) || count < 1 || count > SCRIPT_SERVERS_MAX)
        return "too few or too many servers";
    script->server_count = (int)count;
    return NULL;
}

static const char *server_refuses(struct script *script, struct slice rest)
{
    uint64_t number;
    struct slice word = slice_take_word(&rest);
    if (!slice_to_number(word, &number) || number < 1 || number > (uint64_t)script->server_count ||
        !slice_equal(slice_trim(rest), slice_of("refuses")))
        return "wanted: server N refuses";
    script->refuses[number - 1] = true;
    return NULL;
}

static const char *must_fail(struct script *script, struct slice rest)
{
    static const char words[] = "fail at ", wanted[] = "wanted: must fail at LINE: text";
    struct slice place = slice_take_until(&rest, ':');
    uint64_t line;
    if (!slice_starts_nocase(place, words))
        return wanted;
    slice_drop(&place, sizeof words - 1);
    if (!slice_to_number(slice_trim(place), &line))
        return wanted;
    script->must_fail_at = (int)line;
    script->must_fail_text = copy(slice_trim(rest));
    return NULL;
}

static const char *uncut(struct script *script, struct slice rest)
{
    script->uncut = true;
    return rest.size == 0 ? NULL : "nothing stands behind uncut";
}

static const struct row {
    const char *word;
    const char *(*take)(struct script *script, struct slice rest);
    bool first; /* too late after the first step */
} rows[] = {
    {"set", option, true},       {"policy", policy, true},
    {"client", client, false},   {"reputation", reputation, false},
    {"dns", dns, true},          {"list", list, true},
    {"servers", servers, false}, {"server", server_refuses, false},
    {"must", must_fail, false},  {"uncut", uncut, false},
    {"store", store, true},
};

const char *setting_take(struct script *script, struct slice word, struct slice rest)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!slice_equal(word, slice_of(rows[i].word)))
            continue;
        return rows[i].first && script->step_count > 0 ? "too late: after the first step"
                                                       : rows[i].take(script, slice_trim(rest));
    }
    return "not understood";
}

void setting_free(struct script *script)
{
    free(script->client);
    free(script->policy);
    free(script->must_fail_text);
    for (size_t i = 0; i < script->setting_count; i++)
        free(script->settings[i]);
    for (size_t i = 0; i < script->dns_count; i++)
        free(script->dns[i]);
    for (size_t i = 0; i < script->store_count; i++)
        free(script->store[i]);
    for (size_t i = 0; i < script->list_count; i++)
        free(script->lists[i]);
}
