/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_internal.h"

enum { WIDTH = 80, INDENT = 4, NAME_COLUMNS = 20 };

static void blanks(FILE *to, size_t count)
{
    fprintf(to, "%*s", (int)count, "");
}

/* Words of `text` in lines of WIDTH columns; `column` is where the first one stands, `indent` where the others do. */
static void wrap(FILE *to, size_t column, size_t indent, const char *text)
{
    struct slice rest = slice_of(text);
    bool first = true;

    for (struct slice word = slice_take_word(&rest); word.size > 0; word = slice_take_word(&rest)) {
        if (!first && column + 1 + word.size > WIDTH) {
            fputc('\n', to);
            blanks(to, indent);
            column = indent;
            first = true;
        }
        fprintf(to, "%s%.*s", first ? "" : " ", SLICE_ARGS(word));
        column += word.size + !first;
        first = false;
    }
    fputc('\n', to);
}

/* "outer / inner": where a block stands. */
struct path {
    const struct path *outer;
    const struct block *block;
    const char *meaning;
};

static void print_path(FILE *to, const struct path *path)
{
    if (path->outer == NULL)
        return;
    print_path(to, path->outer);
    fprintf(to, "%s%s%s", path->outer->outer != NULL ? " / " : "", path->block->name,
            path->block->titled ? " NAME" : "");
}

static const char *default_of(const struct option *row)
{
    if (row->required)
        return "none, has to be set";
    if (row->fallback == NULL)
        return "not set";
    return row->fallback[0] != '\0' ? row->fallback : "\"\"";
}

static void print_line(FILE *to, const char *label, const char *text)
{
    int column = fprintf(to, "%*s%-9s", 2 * INDENT, "", label);
    wrap(to, column > 0 ? (size_t)column : 0, 2 * INDENT + 9, text);
}

static void print_option(FILE *to, const struct option *row)
{
    char allowed[CONFIG_ERROR_MAX];

    config_type_allowed(row, allowed);
    fprintf(to, "%*s%-*s %s\n", INDENT, "", NAME_COLUMNS, row->name, config_type_name(row));
    print_line(to, "default:", default_of(row));
    print_line(to, "allowed:", allowed);
    if (row->meaning != NULL) {
        blanks(to, (size_t)2 * INDENT);
        wrap(to, (size_t)2 * INDENT, (size_t)2 * INDENT, row->meaning);
    }
    fputc('\n', to);
}

static void print_block(FILE *to, const struct path *path);

static void print_heading(FILE *to, const struct path *path)
{
    const struct block *block = path->block;

    print_path(to, path);
    fputs(path->outer != NULL ? " { .. }\n" : "Outside of all blocks\n", to);
    if (block->titled || path->meaning != NULL)
        blanks(to, INDENT);
    if (block->titled)
        fprintf(to, "%s%s", block->needed ? "One or more of these." : "Any number of these.",
                path->meaning != NULL ? " " : "\n");
    if (path->meaning != NULL)
        wrap(to, INDENT + (block->titled ? 22 : 0), INDENT, path->meaning);
    fputc('\n', to);
}

static void print_block(FILE *to, const struct path *path)
{
    print_heading(to, path);
    for (const struct option_group *group = path->block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++)
            if (!config_row_is_block(row))
                print_option(to, row);
    for (const struct option_group *group = path->block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++)
            if (config_row_is_block(row))
                print_block(to, &(struct path){path, row->block,
                                               row->block->meaning != NULL ? row->block->meaning : row->meaning});
}

void config_print_reference(FILE *to, const struct block *root)
{
    print_block(to, &(struct path){NULL, root, root->meaning});
}
