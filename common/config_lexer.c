/* SPDX-License-Identifier: ISC
 *
 * Words are given to libconfuse in single quotes, whatever they were: its own rules for bare words drop a `*` or a `+`
 * without a word, expand ${X} to nothing and begin a comment in the middle of a path. */
#include <stdarg.h>
#include <string.h>

#include "common/must.h"

#include "common/config_internal.h"

enum expect {
    EXPECT_NAME,
    EXPECT_EQUALS, /* or a title, or `{` */
    EXPECT_BRACE,
    EXPECT_VALUE,
    EXPECT_ITEM, /* in a list */
    EXPECT_COMMA /* in a list */
};

/* What `{` opened and nothing closed yet. */
struct open_brace {
    struct open_brace *outer;
    struct config_place place;
    const char *name; /* of the block or the list's option */
    const char *title;
    bool list;
};

struct lexer {
    struct config_reader *reader;
    const struct config_file *file;
    struct slice rest;
    struct config_place place;
    enum expect expect;
    const char *name, *title; /* of what is begun */
    struct open_brace *open;
};

static char peek(const struct lexer *l, size_t ahead)
{
    return ahead < l->rest.size ? l->rest.at[ahead] : '\0';
}

/* "listener mx: tls: ", of the blocks that are open, the outermost first. */
static void put_path(FILE *to, const struct open_brace *brace)
{
    if (brace == NULL)
        return;
    put_path(to, brace->outer);
    if (!brace->list)
        fprintf(to, "%s%s%s: ", brace->name, brace->title != NULL ? " " : "", brace->title != NULL ? brace->title : "");
}

__attribute__((format(printf, 4, 5))) static bool refuse(const struct lexer *l, struct config_place place,
                                                         const char *option, const char *format, ...)
{
    char text[1024] = "";
    FILE *to = fmemopen(text, sizeof text, "w");
    va_list arguments;

    must(to != NULL);
    va_start(arguments, format);
    put_path(to, l->open);
    if (option != NULL)
        fprintf(to, "%s: ", option);
    vfprintf(to, format, arguments);
    va_end(arguments);
    fclose(to);
    return config_fail(l->reader->config, place, NULL, NULL, "%s", text);
}

static bool in_list(const struct lexer *l)
{
    return l->expect == EXPECT_ITEM || l->expect == EXPECT_COMMA;
}

static bool end_line(struct lexer *l)
{
    if (l->expect == EXPECT_VALUE)
        return refuse(l, l->place, l->name, "no value; it has to begin on the line of the =");
    slice_drop(&l->rest, 1);
    l->place.line++;
    config_end_line(l->reader, l->place);
    return true;
}

static bool skip_line_comment(struct lexer *l)
{
    while (l->rest.size > 0 && peek(l, 0) != '\n')
        slice_drop(&l->rest, 1);
    return true;
}

static bool skip_comment(struct lexer *l)
{
    struct config_place start = l->place;

    slice_drop(&l->rest, 2);
    while (l->rest.size > 0) {
        if (peek(l, 0) == '*' && peek(l, 1) == '/') {
            slice_drop(&l->rest, 2);
            return true;
        }
        if (peek(l, 0) != '\n')
            slice_drop(&l->rest, 1);
        else if (!end_line(l))
            return false;
    }
    return refuse(l, start, NULL, "the comment that begins here never ends; */ is missing");
}

static void put_word(struct lexer *l, const char *word)
{
    FILE *to = l->reader->text;

    fputc('\'', to);
    for (; *word != '\0'; word++) {
        if (*word == '\\' || *word == '\'')
            fputc('\\', to);
        fputc(*word, to);
    }
    fputs("' ", to);
}

static bool take_word(struct lexer *l, const char **out)
{
    bool is_value = l->expect == EXPECT_VALUE || l->expect == EXPECT_ITEM;
    const char *wrong = config_word_take(&l->reader->config->arena, &l->rest, is_value, out);
    return wrong == NULL || refuse(l, l->place, l->name, "%s", wrong);
}

/* ---- what a word is where it stands ---- */

static void skip_blanks(struct lexer *l)
{
    while (peek(l, 0) == ' ' || peek(l, 0) == '\t')
        slice_drop(&l->rest, 1);
}

static bool include(struct lexer *l)
{
    const char *pattern = "";
    struct config_place at = l->place;

    skip_blanks(l);
    l->name = "include";
    if ((config_word_begins(peek(l, 0))) && !take_word(l, &pattern))
        return false;
    if (pattern[0] == '\0')
        return refuse(l, at, "include", "no file; write include \"file\" or include \"directory/*.conf\"");
    if (!config_include(l->reader, l->file, at, pattern))
        return false;
    config_end_line(l->reader, l->place);
    return true;
}

/* libconfuse takes `a|b` as option b of section a, and trips over a name that is empty. */
static bool is_plain_name(struct lexer *l, const char *word)
{
    char shown[CONFIG_SHOWN_MAX];
    if (word[0] != '\0' && strchr(word, '|') == NULL && strlen(word) <= 255)
        return true;
    return refuse(l, l->place, NULL, "%s is no name; a name is not empty, has no | and 255 characters at most",
                  config_show(word, shown));
}

static bool missing_comma(struct lexer *l, const char *word)
{
    char shown[CONFIG_SHOWN_MAX];
    return refuse(l, l->place, l->open->name,
                  "a comma or the closing } of the list is missing before %s; the list begins in line %d",
                  config_show(word, shown), l->open->place.line);
}

static bool word(struct lexer *l)
{
    bool quoted = peek(l, 0) == '"' || peek(l, 0) == '\'';
    const char *text;

    if (!take_word(l, &text))
        return false;
    if (l->expect == EXPECT_COMMA)
        return missing_comma(l, text);
    if (l->expect == EXPECT_NAME && !quoted && strcmp(text, "include") == 0)
        return include(l);
    if (l->expect != EXPECT_VALUE && l->expect != EXPECT_ITEM && !is_plain_name(l, text))
        return false;
    put_word(l, text);
    if (l->expect == EXPECT_NAME) {
        l->name = text;
        l->title = NULL;
        l->expect = EXPECT_EQUALS;
    } else if (l->expect == EXPECT_EQUALS) {
        l->title = text;
        l->expect = EXPECT_BRACE;
    } else if (l->expect == EXPECT_ITEM) {
        l->expect = EXPECT_COMMA;
    } else {
        l->name = NULL;
        l->expect = EXPECT_NAME;
    }
    return true;
}

/* ---- braces and the rest ---- */

static bool open_brace(struct lexer *l)
{
    bool list = l->expect == EXPECT_VALUE;
    struct open_brace *brace = config_alloc(&l->reader->config->arena, sizeof *brace);

    if (in_list(l))
        return refuse(l, l->place, l->open->name,
                      "a { inside a list; the closing } of the list that begins in line %d may be missing",
                      l->open->place.line);
    *brace = (struct open_brace){l->open, l->place, l->name != NULL ? l->name : "", l->title, list};
    l->open = brace;
    l->name = list ? l->name : NULL;
    l->title = NULL;
    l->expect = list ? EXPECT_ITEM : EXPECT_NAME;
    fputs(list ? "{'" CONFIG_MARK "', " : "{'" CONFIG_MARK "'='" CONFIG_MARK "' ", l->reader->text);
    return true;
}

static bool close_brace(struct lexer *l)
{
    if (l->open == NULL)
        return refuse(l, l->place, NULL, "one } too many: no block that begins in this file is open here");
    l->open = l->open->outer;
    l->name = NULL;
    l->expect = EXPECT_NAME;
    fputs("} ", l->reader->text);
    return true;
}

static bool sign(struct lexer *l, char c)
{
    if (c == '=' && in_list(l))
        return refuse(l, l->place, l->open->name,
                      "a = inside a list; the closing } of the list that begins in line %d may be missing, or "
                      "quotes around the value",
                      l->open->place.line);
    l->expect = c == '=' ? EXPECT_VALUE : c == ',' && in_list(l) ? EXPECT_ITEM : l->expect;
    fputc(c, l->reader->text);
    return true;
}

static bool token(struct lexer *l)
{
    char c = peek(l, 0);

    if (c == '\n')
        return end_line(l);
    if (c == '#' || (c == '/' && peek(l, 1) == '/'))
        return skip_line_comment(l);
    if (c == '/' && peek(l, 1) == '*')
        return skip_comment(l);
    if (config_word_begins(c))
        return word(l);
    slice_drop(&l->rest, 1);
    if (c == '{')
        return open_brace(l);
    if (c == '}')
        return close_brace(l);
    return c == ' ' || c == '\t' || sign(l, c);
}

static bool all_closed(struct lexer *l)
{
    const struct open_brace *open = l->open;

    if (open == NULL)
        return true;
    l->open = open->outer;
    return refuse(l, open->place, NULL,
                  "the { of \"%s%s%s\" is never closed in this file; its } is missing, or that of something inside",
                  open->name, open->title != NULL ? " " : "", open->title != NULL ? open->title : "");
}

bool config_lex(struct config_reader *reader, const struct config_file *file)
{
    struct lexer l = {
        .reader = reader,
        .file = file,
        .rest = slice_make(file->text, file->size),
        .place = {file->path, 1},
    };

    if (file->includer != NULL)
        config_end_line(reader, l.place);
    while (l.rest.size > 0)
        if (!token(&l))
            return false;
    if (l.expect == EXPECT_VALUE)
        return refuse(&l, l.place, l.name, "no value; the file ends behind the =");
    if (l.open == NULL && l.expect != EXPECT_NAME)
        return refuse(&l, l.place, l.name, "neither a = nor a {; the file ends here");
    return all_closed(&l);
}
