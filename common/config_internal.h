/* SPDX-License-Identifier: ISC
 *
 * config_internal - what the config_*.c files share; nobody else includes it.
 *
 * A load runs through four stages, each in its file and each knowing only the data before it (below). Everything that
 * outlives its stage lies in the arena of struct config. Out of memory ends the process, as it does in libconfuse: who
 * needs a reload that survives it validates in a child first.
 */
/* clang-format off
 *
 *   config_reader, config_lexer   files            -> struct config_text: one text of plain tokens, each line with its place
 *   config_parse                  that text        -> struct config_section: a tree of texts (libconfuse, and only here)
 *   config_override               the tree         -> the tree, with some values replaced
 *   config_fill                   tree and tables  -> the callers' structs
 */
/* clang-format on */
#ifndef POSTERN_COMMON_CONFIG_INTERNAL_H
#define POSTERN_COMMON_CONFIG_INTERNAL_H

#include "common/config.h"

/* Memory that is given back all at once. What it gives is zeroed. */
struct config_arena {
    struct arena_piece *newest;
};
void *config_alloc(struct config_arena *arena, size_t size);
const char *config_copy(struct config_arena *arena, struct slice text);
void config_arena_clear(struct config_arena *arena);

/* Where something was written. line 0: not in a file, then `file` says it in words. */
struct config_place {
    const char *file;
    int line;
};

struct config_value {
    const char *text;
    struct config_place place;
    struct config_value *next;
};

/* `name = value` or `name = { .. }`. */
struct config_setting {
    const struct option *row;
    struct config_place place;
    struct config_value *first, *last;
    size_t count;
    struct config_setting *next;
};

/* One block of the file; or one that is not there, made while filling, so that every struct has its section. */
struct config_section {
    const struct block *block;
    const struct option *row; /* of the parent's table; NULL for the root */
    const char *title;        /* NULL when not titled */
    bool present;             /* written in the file, or made by an override */
    struct config_place place;
    struct config_section *parent;
    struct config_section *first, *last; /* the sections inside, as written */
    struct config_section *next;
    struct config_setting *settings;
    void *filled;
};

struct config {
    struct config_arena arena;
    const struct block *block;
    struct config_section *root;
    const struct config_section *checking; /* whose check runs */
    char *why;                             /* NULL after loading */
    size_t why_size;
    bool failed;
};

/* The first failure ends up in `why`: "place: block title: option: text". Section and option may be NULL. Always false.
 */
bool config_fail(struct config *config, struct config_place place, const struct config_section *section,
                 const char *option, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The text for libconfuse: words in single quotes, no comments, no includes; one struct config_place for each line.
 * Each block (and the text) begins with MARK = MARK, each list with MARK, so that whoever parses it hears of the
 * beginning, at its line. No file can hold a MARK of its own: control characters are refused. */
#define CONFIG_MARK "\001"
struct config_text {
    char *text;
    size_t size;
    struct config_place *lines; /* lines[0] is that of line 1 */
    size_t lines_size;          /* in bytes */
};
bool config_read(struct config *config, const char *path, struct config_text *out);
void config_text_free(struct config_text *text);

enum { CONFIG_INCLUDE_DEPTH_MAX = 8, CONFIG_FILE_BYTES_MAX = 16 << 20, CONFIG_BYTES_MAX = 64 << 20 };

struct config_file {
    const char *path;
    unsigned long long device, inode;
    const struct config_file *includer;
    int depth;
    char *text; /* not NUL-terminated */
    size_t size;
};
struct config_reader {
    struct config *config;
    FILE *text;
    FILE *lines;
    size_t bytes;
};
/* One file's text into tokens; calls config_include. */
bool config_lex(struct config_reader *reader, const struct config_file *file);
bool config_include(struct config_reader *reader, const struct config_file *from, struct config_place at,
                    const char *pattern);
void config_end_line(struct config_reader *reader, struct config_place next);

/* The word at the front of *rest, bare or in quotes: taken off, and unquoted into *out. NULL, or what is wrong with it;
 * a
 * `{` ends a name but not a value. */
const char *config_word_take(struct config_arena *arena, struct slice *rest, bool is_value, const char **out);
bool config_word_begins(char c);

bool config_parse(struct config *config, const struct config_text *text);
bool config_override(struct config *config, const char *override);
bool config_fill(struct config *config);

/* Trees. */
struct config_section *config_section_add(struct config *config, struct config_section *parent,
                                          const struct option *row, const char *title, struct config_place place);
struct config_setting *config_setting_find(const struct config_section *section, const struct option *row);
struct config_setting *config_setting_add(struct config *config, struct config_section *section,
                                          const struct option *row, struct config_place place);
void config_setting_put(struct config *config, struct config_setting *setting, const char *text,
                        struct config_place place);
/* "a, b" into values; an empty text is no value. */
void config_setting_split(struct config *config, struct config_setting *setting, const char *text,
                          struct config_place place);

/* Tables. */
const struct option *config_row(const struct block *block, const char *name); /* NULL: not known there */
bool config_row_is_block(const struct option *row);
bool config_row_is_list(const struct option *row);
/* The failure for a name that nobody knows: with the closest name, the block it belongs to, or all that is known. */
bool config_fail_unknown(struct config *config, struct config_place place, const struct config_section *section,
                         const char *name);

/* Values. One text into *out, by the row's type (a list's: by that of its items); pure. The filled struct points into
 * `text`. On false `error` says what is wrong and what is allowed. */
enum { CONFIG_ERROR_MAX = 320, CONFIG_POINTS_MAX = 1000000 };
bool config_value_parse(const struct option *row, const char *text, void *out, char error[CONFIG_ERROR_MAX]);
size_t config_value_size(const struct option *row); /* of one item */
/* For people: "time", and what may be written. */
const char *config_type_name(const struct option *row);
void config_type_allowed(const struct option *row, char text[CONFIG_ERROR_MAX]);
/* A word of the file inside a message: in quotes, cut, controls shown as ?. */
enum { CONFIG_SHOWN_MAX = 64 };
const char *config_show(const char *text, char shown[CONFIG_SHOWN_MAX]);

#endif
