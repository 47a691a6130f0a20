/* SPDX-License-Identifier: ISC */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "tests/talk/expect.h"

enum { REPLY_LINES_MAX = 256 };

size_t expect_line_size(struct slice heard)
{
    const char *lf = heard.size ? memchr(heard.at, '\n', heard.size) : NULL;
    return lf ? (size_t)(lf - heard.at) + 1 : 0;
}

size_t expect_reply_size(struct slice heard)
{
    size_t size = 0;
    for (;;) {
        size_t line = expect_line_size(slice_make(heard.at + size, heard.size - size));
        if (line == 0)
            return 0;
        bool last = line < 4 || heard.at[size + 3] != '-';
        size += line;
        if (last)
            return size;
    }
}

size_t expect_field_size(struct slice heard)
{
    size_t size = 0;
    for (;;) {
        size_t line = expect_line_size(slice_make(heard.at + size, heard.size - size));
        size += line;
        if (line == 0 || size == heard.size)
            return 0;
        if (heard.at[size] != ' ' && heard.at[size] != '\t')
            return size;
    }
}

static bool contains(struct slice in, struct slice text)
{
    return text.size == 0 || (in.size > 0 && memmem(in.at, in.size, text.at, text.size) != NULL);
}

/* One line of a reply without its CRLF; false where it has none. */
static bool take_reply_line(struct slice *reply, struct slice *line_out)
{
    size_t size = expect_line_size(*reply);
    if (size < 5 || reply->at[size - 2] != '\r')
        return false;
    *line_out = slice_make(reply->at, size - 2);
    slice_drop(reply, size);
    return true;
}

/* "250", "5xx", "500|501" */
static bool code_matches(struct slice pattern, struct slice code)
{
    while (pattern.size > 0) {
        struct slice one = slice_take_until(&pattern, '|');
        bool fits = one.size == 3 && code.size >= 3;
        for (size_t i = 0; fits && i < 3; i++)
            fits = one.at[i] == 'x' ? ascii_is_digit(code.at[i]) : one.at[i] == code.at[i];
        if (fits)
            return true;
    }
    return false;
}

static bool reply_contains(struct slice wanted, struct slice reply)
{
    struct slice text = wanted;
    struct slice code = slice_take_until(&text, ' ');
    struct slice line;
    bool found = false;
    while (reply.size > 0) {
        if (!take_reply_line(&reply, &line) || !code_matches(code, line))
            return false;
        found = found || contains(slice_make(line.at + 3, line.size - 3), text);
    }
    return found;
}

/* The text behind the code: equal, or its beginning where the wanted one ends with '*'. */
static bool reply_line_matches(struct slice wanted, struct slice line)
{
    if (wanted.size < 3 || !code_matches(slice_make(wanted.at, 3), line))
        return false;
    struct slice want = slice_make(wanted.at + 3, wanted.size - 3);
    struct slice text = slice_make(line.at + 3, line.size - 3);
    slice_drop(&want, want.size ? 1 : 0);
    slice_drop(&text, text.size ? 1 : 0);
    bool prefix = want.size > 0 && want.at[want.size - 1] == '*';
    want.size -= prefix;
    return prefix ? text.size >= want.size && memcmp(text.at, want.at, want.size) == 0 : slice_equal(text, want);
}

static bool reply_has_lines(struct slice wanted, struct slice reply)
{
    struct slice lines[REPLY_LINES_MAX];
    bool taken[REPLY_LINES_MAX] = {false};
    size_t count = 0, wanted_count = 0;
    while (reply.size > 0 && count < REPLY_LINES_MAX)
        if (!take_reply_line(&reply, &lines[count++]))
            return false;
    while (wanted.size > 0) {
        struct slice want = slice_take_until(&wanted, '\n');
        size_t from = wanted_count == 0 ? 0 : 1, to = wanted_count == 0 ? 1 : count, i = from;
        while (i < to && (taken[i] || !reply_line_matches(want, lines[i])))
            i++;
        if (i >= to || count == 0)
            return false;
        taken[i] = true;
        wanted_count++;
    }
    return wanted_count == count;
}

bool expect_reply(const struct step *step, struct slice reply)
{
    struct slice wanted = slice_make(step->text, step->size);
    return step->match == MATCH_LINES ? reply_has_lines(wanted, reply) : reply_contains(wanted, reply);
}

static bool regex_matches(const char *pattern, struct slice line)
{
    regex_t compiled;
    char *text = calloc(1, line.size + 1);
    if (!text || regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        abort();
    memcpy(text, line.at, line.size);
    bool matches = strlen(text) == line.size && regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    free(text);
    return matches;
}

bool expect_line(const struct step *step, struct slice line)
{
    struct slice wanted = slice_make(step->text, step->size);
    if (line.size < 2 || line.at[line.size - 2] != '\r')
        return false;
    line.size -= 2;
    if (step->match == MATCH_REGEX)
        return regex_matches(step->text, line);
    if (step->match == MATCH_PREFIX)
        return line.size >= wanted.size && memcmp(line.at, wanted.at, wanted.size) == 0;
    return slice_equal(line, wanted);
}

bool expect_field(const struct step *step, struct slice field)
{
    struct slice words = slice_make(step->text, step->size);
    struct slice name = slice_take_word(&words);
    if (field.size <= name.size || field.at[name.size] != ':')
        return false;
    return slice_equal_nocase(slice_make(field.at, name.size), name) && contains(field, slice_trim(words));
}

static struct slice take_quotable(struct slice *words)
{
    *words = slice_trim(*words);
    const char *quote = words->size ? memchr(words->at, '"', words->size) : NULL;
    size_t size = 0;
    while (size < words->size && words->at[size] != ' ' && words->at + size != quote)
        size++;
    if (quote && words->at + size == quote) {
        size++;
        while (size < words->size && words->at[size] != '"')
            size++;
        size += size < words->size;
    }
    struct slice word = slice_make(words->at, size);
    slice_drop(words, size);
    return word;
}

static bool has_word(struct slice line, struct slice word)
{
    bool prefix = word.size > 0 && word.at[word.size - 1] == '*';
    word.size -= prefix;
    bool suffix = word.size > 0 && word.at[0] == '*';
    slice_drop(&word, suffix);
    for (size_t i = 0; i + word.size <= line.size; i++) {
        bool begins = suffix || i == 0 || line.at[i - 1] == ' ';
        bool ends = prefix || i + word.size == line.size || line.at[i + word.size] == ' ';
        if (begins && ends && memcmp(line.at + i, word.at, word.size) == 0)
            return true;
    }
    return false;
}

bool expect_words(struct slice words, struct slice line)
{
    while (slice_trim(words).size > 0)
        if (!has_word(line, take_quotable(&words)))
            return false;
    return true;
}
