/* SPDX-License-Identifier: ISC
 *
 * config - postern.conf into plain const structs, every error with its file and line.
 *
 * libconfuse parses the grammar; a reader of our own goes before it (comments blanked, `include` expanded, a map from
 * lines to files, braces counted, `;` and `${` explained), and a second pass after it turns texts into values with one
 * value parser for file and defaults. Options are const tables of rows that stand beside the struct they fill.
 *
 * The first error ends the load; it names file, line, option, what was found and what is allowed. Nothing is guessed:
 * unknown and doubled options, missing units and unknown references are errors.
 *
 * The file: `name = value`, `name = { a, b }`, `block { .. }` and `block title { .. }`; line feeds are blanks, but a
 * value begins on the line of its =. A value with blanks or any of {}=,;#"' stands in quotes, on one line: in "..." a
 * \ goes before " and \ only, in '...' it may. Comments: #, and // or slash-star where a word could begin. `include
 * "file"`, or a glob pattern (sorted; may match nothing), is relative to the file that it stands in; each file closes
 * the blocks that it opens, is plain text, and must not be writable by group or others.
 *
 * Not re-entrant (libconfuse is not): one load at a time in a process. Out of memory ends the process.
 */
#ifndef POSTERN_COMMON_CONFIG_H
#define POSTERN_COMMON_CONFIG_H

#include <stdio.h>

#include "common/net.h"
#include "common/rate.h"
#include "common/slice.h"

enum option_type {
    OPTION_END = 0,  /* closes a table */
    OPTION_TEXT,     /* const char *: printable text, NULL when there is no fallback and it is not set */
    OPTION_HOSTNAME, /* const char *: a fully qualified host name */
    OPTION_PATH,     /* const char *: an absolute path */
    OPTION_COUNT,  /* int64_t: decimal digits; allowed = "1..5000", either end may be left out; also for sizes and times
                    */
    OPTION_POINTS, /* int64_t: a count that may be negative, to either side as many: allowed = "1000" */
    OPTION_SIZE,   /* int64_t, bytes: 512, 64K, 25M, 2G (powers of 1024); allowed = "1K..2G" */
    OPTION_TIME,   /* int64_t, milliseconds: 500ms 5s 2m 1h 7d, 1h30m, the unit is obligatory; allowed = "1s..1h" */
    OPTION_FLAG,   /* bool: yes | no */
    OPTION_CHOICE, /* int: the position in allowed = "none|xclient" */
    OPTION_CHOICES,   /* unsigned: a bit for each position in allowed = "client|sender|login"; one of them, or several
                         with + between them */
    OPTION_ENDPOINT,  /* struct endpoint */
    OPTION_ENDPOINTS, /* struct endpoint_list */
    OPTION_RESOLVERS, /* struct endpoint_list of addresses; port 53, where none is said */
    OPTION_TEXTS,     /* struct text_list */
    OPTION_NETWORKS,  /* struct network_list */
    OPTION_RATES,     /* struct rate_list: 30/1m, 10M/1h, a count (or a size) and a time; the burst is the count */
    OPTION_STEPS,     /* struct score_steps: 5:10s, from so many points on so long; ascending; allowed = "1s..1h" */
    OPTION_REFERENCE, /* const void *: the filled struct of the block that has this title; allowed = the name of a
                         titled block beside this one or beside a block around it; NULL where it is not set */
    OPTION_BLOCK,     /* .block: a struct inside (single), or struct block_list (.titled) */
    OPTION_BLOCK_AT   /* .block, single: const void * to a struct of its own */
};

enum { RESOLVER_PORT = 53 };

struct text_list {
    const char *const *items;
    size_t count;
};
struct endpoint_list {
    const struct endpoint *items;
    size_t count;
};
struct network_list {
    const struct network *items;
    size_t count;
};
struct rate_list {
    const struct rate *items;
    size_t count;
};
struct score_step {
    int64_t points, ms;
};
struct score_steps {
    const struct score_step *items;
    size_t count;
};
/* The filled structs of a titled block, in the file's order, one after the other; use block_at. */
struct block_list {
    const void *items;
    size_t count;
    size_t item_size;
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    const char *fallback; /* the default, as one would write it; a list's as "a, b". NULL: none */
    const char *allowed;  /* as said at the types; NULL: anything of the type */
    const char *meaning;  /* for `posternd -d`: one or two sentences */
    bool required;        /* no fallback, and must be set (in a block that is there) */
    const struct block *block;
};

/* Some rows, and where in the block's struct the struct that they fill begins: a block can be put together from the
 * tables of several units. */
struct option_group {
    const struct option *rows;
    size_t base;
};

struct config;

struct block {
    const char *name;
    const char *meaning;
    size_t size;                       /* of the struct */
    bool titled;                       /* many, each with a name: `listener mx { .. }` */
    bool needed;                       /* titled: at least one must be there */
    const struct option_group *groups; /* ends with rows == NULL */
    size_t title_offset;               /* titled: const char * */
    /* Titled, where the title is more than a name: puts what it means into the struct. False: *why_out goes behind the
     * title in the error. May be NULL. */
    bool (*take_title)(const char *title, void *filled, const char **why_out);
    /* After all is filled and references are resolved, inner blocks before outer ones; not of a single block that is
     * not there and has its defaults. False after config_refuse. May be NULL. */
    bool (*check)(struct config *config, const void *filled);
};

/* NULL after an error, which is then in `why` as "file:line: option: text". The root block is single and unnamed. */
struct config *config_load(const char *path, const struct block *root, char *why, size_t why_size);
/* One more option over the file's, `block.option=value` or `block.title.option=value`, for tests/stand and one-off
 * runs: to be given before loading as a list. Without a title it goes for all blocks of that name. It replaces the
 * file's value, is taken as it stands (a list's is split at commas), and makes a single block that is not there. */
struct config *config_load_with(const char *path, const struct block *root, const struct text_list *overrides,
                                char *why, size_t why_size);
const void *config_root(const struct config *config);
void config_free(struct config **config);

const void *block_at(const struct block_list *list, size_t i);

/* In a block's check: the place of `option` in this very block (or of the block, where it is not set) goes before the
 * text. Returns false, so that a check can end with it. */
bool config_refuse(struct config *config, const void *filled, const char *option, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* After loading, for what only shows when the configuration is used: the same text, into `why`. Always false. */
bool config_complain(const struct config *config, char *why, size_t why_size, const void *filled, const char *option,
                     const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Was it set in the file? */
bool config_is_set(const struct config *config, const void *filled, const char *option);

/* The reference of all options, for people (`posternd -d`). */
void config_print_reference(FILE *to, const struct block *root);

#endif
