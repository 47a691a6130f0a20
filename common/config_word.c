/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_internal.h"

static const char BEHIND_BARE[] = "a quote inside a word; put the whole value in quotes";
static const char BEHIND_QUOTE[] = "something stands right behind a closing quote; put the whole value in quotes";
static const char BRACE[] = "a { inside a word; put the whole value in quotes";
static const char SEMICOLON[] = "\";\" ends nothing here: leave it out, or put a value that holds one in quotes";
static const char NO_END[] = "the quote that begins here does not end on its line";
static const char BACKSLASH[] =
    "a backslash in double quotes goes before \" or \\ only; write \\\\ or use single quotes";
static const char EXPANSION[] = "\"${\" looks like a variable of the environment, and those are not expanded; in texts "
                                "write \"%{name}\", or put it "
                                "in single quotes to mean it as it stands";

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool ends_word(char c)
{
    return c == '\0' || strchr(" \t\n{}=,#\"'", c) != NULL;
}

bool config_word_begins(char c)
{
    return !ends_word(c) || is_quote(c);
}

static char at(struct slice text, size_t i)
{
    return i < text.size ? text.at[i] : '\0';
}

static const char *take_bare(struct config_arena *arena, struct slice *rest, bool is_value, const char **out)
{
    size_t size = 0;

    while (!ends_word(at(*rest, size)) && at(*rest, size) != ';')
        size++;
    char next = at(*rest, size);
    if (next == ';')
        return SEMICOLON;
    if (next == '{' && size > 0 && rest->at[size - 1] == '$')
        return EXPANSION;
    if (next == '{' && is_value)
        return BRACE;
    if (is_quote(next))
        return BEHIND_BARE;
    *out = config_copy(arena, slice_make(rest->at, size));
    slice_drop(rest, size);
    return NULL;
}

/* What one character, or one escape, stands for; its size, or 0 where it is wrong. In single quotes a backslash is
 * itself but before ' and \. */
static size_t unquote(struct slice text, char quote, char *out)
{
    char next = at(text, 1);

    *out = at(text, 0);
    if (*out != '\\')
        return 1;
    if (next == quote || next == '\\') {
        *out = next;
        return 2;
    }
    return quote == '\'' ? 1 : 0;
}

static struct slice behind(struct slice text, size_t size)
{
    slice_drop(&text, size);
    return text;
}

/* Where the closing quote stands. */
static const char *find_end(struct slice text, size_t *end_out)
{
    char quote = at(text, 0), c;
    size_t i = 1;

    while (i < text.size && at(text, i) != quote && at(text, i) != '\n') {
        size_t used = unquote(behind(text, i), quote, &c);
        if (used == 0)
            return BACKSLASH;
        if (quote == '"' && at(text, i) == '$' && at(text, i + 1) == '{')
            return EXPANSION;
        i += used;
    }
    *end_out = i;
    if (at(text, i) != quote)
        return NO_END;
    return config_word_begins(at(text, i + 1)) ? BEHIND_QUOTE : NULL;
}

static const char *take_quoted(struct config_arena *arena, struct slice *rest, const char **out)
{
    size_t end, i = 1;
    const char *wrong = find_end(*rest, &end);

    if (wrong != NULL)
        return wrong;
    char *text = config_alloc(arena, end);
    *out = text;
    while (i < end)
        i += unquote(behind(*rest, i), rest->at[0], text++);
    slice_drop(rest, end + 1);
    return NULL;
}

const char *config_word_take(struct config_arena *arena, struct slice *rest, bool is_value, const char **out)
{
    return is_quote(at(*rest, 0)) ? take_quoted(arena, rest, out) : take_bare(arena, rest, is_value, out);
}
