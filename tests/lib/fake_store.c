/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/log.h"
#include "tests/lib/fake_store.h"
#include "workers/session.h"
#include "workers/store_client.h"

enum { LINES_MAX = 64 };

static struct line {
    struct store_answer answer;
    bool was_said;
    char key[STORE_KEY_MAX + 2];
} lines[LINES_MAX];
static int line_count, asked, told;

void fake_store_clear(void)
{
    line_count = asked = told = 0;
}

int fake_store_asked(void)
{
    return asked;
}

int fake_store_told(void)
{
    return told;
}

/* -- what is said -- */

static bool take_outcome(struct slice word, struct store_answer *out)
{
    static const struct row {
        const char *word;
        struct store_answer answer;
    } rows[] = {
        {"first", {STORE_FIRST, 1}},   {"early", {STORE_EARLY, 1}},
        {"pass", {STORE_PASS, 0}},     {"allowance", {STORE_PASS, STORE_BY_ALLOWANCE}},
        {"unsure", {STORE_UNSURE, 0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *out = rows[i].answer;
        if (slice_is_word(word, rows[i].word))
            return true;
    }
    return false;
}

bool fake_store_add(struct slice line, const char **why_out)
{
    struct line *next = &lines[line_count];
    uint64_t seconds;
    *why_out = "at most 64 of them";
    if (line_count == LINES_MAX)
        return false;
    *why_out = "first, early, pass, allowance or unsure; seconds; a key";
    if (!take_outcome(slice_take_word(&line), &next->answer))
        return false;
    struct slice rest = line;
    if (slice_to_number(slice_take_word(&rest), &seconds)) {
        next->answer.seconds = (int64_t)seconds;
        line = rest;
    }
    next->was_said = false;
    line = slice_trim(line);
    snprintf(next->key, sizeof(next->key), "%.*s", SLICE_ARGS(line));
    line_count++;
    return true;
}

/* -- in the client's place -- */

static bool is_about(const struct line *line, struct slice key)
{
    struct slice wanted = slice_of(line->key);
    if (wanted.size == 0)
        return true;
    if (wanted.at[wanted.size - 1] != '*')
        return slice_equal(wanted, key);
    wanted.size--;
    return key.size >= wanted.size && slice_equal(wanted, slice_make(key.at, wanted.size));
}

static struct store_answer answer_to(struct slice key)
{
    struct line *found = NULL;
    for (int i = line_count - 1; i >= 0; i--)
        if (is_about(&lines[i], key) && (found == NULL || !lines[i].was_said))
            found = &lines[i];
    if (found == NULL)
        return (struct store_answer){STORE_UNSURE, 0};
    found->was_said = true;
    return found->answer;
}

static void record_some(struct record *r, const char *name, uint32_t number)
{
    if (number > 0)
        record_number(r, name, number);
}

static void tell_log(const struct store_request *request)
{
    static const char *const deeds[STORE_DEEDS] = {
        [STORE_ATTEMPT] = "attempt", [STORE_DELIVERED] = "delivered",
        [STORE_LEARN] = "learn",     [STORE_TRAPPED] = "trapped",
        [STORE_ASK] = "ask",
    };
    struct record r;
    record_begin(&r, "store");
    record_string(&r, "deed", deeds[request->deed]);
    record_text(&r, "key", slice_make(request->key, request->key_size));
    record_some(&r, "delay", request->delay_s);
    record_some(&r, "window", request->window_s);
    record_some(&r, "lifetime", request->lifetime_s);
    record_some(&r, "allow_after", request->allow_after);
    record_some(&r, "good", request->good);
    record_some(&r, "bad", request->bad);
    record_send(&r, LEVEL_INFO);
}

void store_client_begin(struct store_client *client)
{
    (void)client;
}

static bool is_there(const struct session *s)
{
    (void)s;
    return line_count > 0;
}

struct store_answer store_client_ask(const struct session *s, struct store_request *request)
{
    if (!is_there(s) || s->setup->looks_only)
        return (struct store_answer){STORE_UNSURE, 0};
    asked++;
    tell_log(request);
    return answer_to(slice_make(request->key, request->key_size));
}

void store_client_tell(const struct session *s, struct store_request *request)
{
    if (!is_there(s) || s->setup->looks_only)
        return;
    told++;
    tell_log(request);
}

void store_client_learn(const struct session *s, const struct store_key *key, const struct reputation *more)
{
    struct store_request request;
    store_request_init(&request, STORE_LEARN, store_key_slice(key));
    request.good = more->good;
    request.bad = more->bad;
    store_client_tell(s, &request);
}
