/* SPDX-License-Identifier: ISC
 *
 * The grammar is libconfuse's, and nothing else of it is used: every option is a list of pointers without a default,
 * with one callback that puts the text into our own tree. Every block begins with a mark (config_internal.h), which is
 * how we hear of it at its line. Not its validate callbacks for values: they do not know what was written, only what it
 * became.
 */
#include <confuse.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"

#include "common/config_internal.h"

struct parse {
    struct config *config;
    const struct config_text *text;
    struct config_section *section; /* what is being read */
};

/* libconfuse has no pointer for its callers. The mark is the first option of every section, and a default that
 * CFGF_NODEFAULT leaves unused carries ours. */
static struct parse *parse_of(const cfg_t *cfg)
{
    return (struct parse *)(intptr_t)cfg->opts[0].def.number;
}

static struct config_place place_of(const struct parse *parse, const cfg_t *cfg)
{
    size_t count = parse->text->lines_size / sizeof parse->text->lines[0];
    size_t line = cfg->line > 0 ? (size_t)cfg->line : 1;
    return parse->text->lines[line <= count ? line - 1 : count - 1];
}

/* ---- what was read ---- */

static bool refuse_second(struct parse *parse, const struct config_section *in, const char *name, const char *title,
                          struct config_place at, struct config_place first)
{
    return config_fail(parse->config, at, in, name, "%s%sis written a second time; the first stands at %s:%d",
                       title != NULL ? title : "", title != NULL ? " " : "", first.file, first.line);
}

static const struct config_section *find_same(const struct config_section *section)
{
    for (const struct config_section *s = section->parent->first; s != section; s = s->next)
        if (s->row == section->row && (s->title == NULL || strcmp(s->title, section->title) == 0))
            return s;
    return NULL;
}

/* The mark at a block's beginning: it becomes the section that is being read. */
static int begin_section(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct parse *parse = parse_of(cfg);
    struct config_section *parent = parse->section;
    const struct option *row = parent != NULL ? config_row(parent->block, cfg->name) : NULL;

    (void)opt;
    (void)value;
    *(void **)result = NULL;
    parse->section = config_section_add(parse->config, parent, row,
                                        row != NULL && row->block->titled ? cfg->title : NULL, place_of(parse, cfg));
    parse->section->present = true;
    if (parent == NULL) {
        parse->config->root = parse->section;
        return 0;
    }
    const struct config_section *same = find_same(parse->section);
    if (same == NULL)
        return 0;
    refuse_second(parse, parent, row->name, parse->section->title, parse->section->place, same->place);
    return -1;
}

static int end_section(cfg_t *cfg, cfg_opt_t *opt)
{
    struct parse *parse = parse_of(cfg);
    (void)opt;
    parse->section = parse->section->parent;
    return 0;
}

/* A value, or the mark at a list's beginning. The first of its statement finds itself alone in opt. */
static int take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct parse *parse = parse_of(cfg);
    struct config_place place = place_of(parse, cfg);
    const struct option *row = config_row(parse->section->block, opt->name);
    struct config_setting *setting = config_setting_find(parse->section, row);
    bool mark = strcmp(value, CONFIG_MARK) == 0;

    *(void **)result = NULL;
    if (setting != NULL && opt->nvalues == 1) {
        refuse_second(parse, parse->section, row->name, NULL, place, setting->place);
        return -1;
    }
    if (mark && !config_row_is_list(row)) {
        config_fail(parse->config, place, parse->section, row->name, "takes one value; a list in { } was found");
        return -1;
    }
    if (setting == NULL)
        setting = config_setting_add(parse->config, parse->section, row, place);
    if (!mark)
        config_setting_put(parse->config, setting, config_copy(&parse->config->arena, slice_of(value)), place);
    return 0;
}

/* ---- libconfuse's errors in our words ---- */

static bool is_about(const char *format, const char *subject)
{
    return strncmp(format, subject, strlen(subject)) == 0;
}

static void refuse(cfg_t *cfg, const char *format, va_list arguments)
{
    struct parse *parse = parse_of(cfg);
    struct config_place place = place_of(parse, cfg);
    char shown[CONFIG_SHOWN_MAX], text[CONFIG_ERROR_MAX];
    /* All of its texts that can come from a file have one %s, or none. */
    const char *word = strstr(format, "%s") != NULL ? va_arg(arguments, const char *) : "";

    if (is_about(format, "no such option"))
        config_fail_unknown(parse->config, place, parse->section, word);
    else if (is_about(format, "missing equal sign"))
        config_fail(parse->config, place, parse->section, word, "is an option; write %s = value", word);
    else if (is_about(format, "missing opening brace"))
        config_fail(parse->config, place, parse->section, word, "is a block; its { is missing here");
    else if (is_about(format, "missing title"))
        config_fail(parse->config, place, parse->section, word, "has no name; write %s NAME { .. }", word);
    else if (is_about(format, "unexpected token"))
        config_fail(parse->config, place, parse->section, NULL,
                    "%s is not expected here; allowed: name = value, name = { a, b }, or a block { .. }",
                    config_show(word, shown));
    else {
        snprintf(text, sizeof text, format, word);
        config_fail(parse->config, place, parse->section, NULL, "%s", text);
    }
}

/* ---- our tables as libconfuse's ---- */

static size_t row_count(const struct block *block)
{
    size_t count = 0;
    for (const struct option_group *group = block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++)
            count++;
    return count;
}

static cfg_opt_t *make_opts(struct parse *parse, const struct block *block);

static cfg_opt_t make_opt(struct parse *parse, const struct option *row)
{
    if (!config_row_is_block(row))
        return (cfg_opt_t){
            .name = row->name, .type = CFGT_PTR, .flags = CFGF_NODEFAULT | CFGF_LIST, .parsecb = take_value};
    /* CFGF_MULTI also for what may stand once only: else the second would quietly replace the first. */
    return (cfg_opt_t){.name = row->name,
                       .type = CFGT_SEC,
                       .flags = CFGF_NODEFAULT | CFGF_MULTI | (row->block->titled ? CFGF_TITLE : CFGF_NONE),
                       .subopts = make_opts(parse, row->block),
                       .validcb = end_section};
}

static cfg_opt_t *make_opts(struct parse *parse, const struct block *block)
{
    cfg_opt_t *opts = config_alloc(&parse->config->arena, (row_count(block) + 2) * sizeof *opts);
    size_t count = 0;

    opts[count++] = (cfg_opt_t){.name = CONFIG_MARK,
                                .type = CFGT_PTR,
                                .flags = CFGF_NODEFAULT,
                                .def.number = (long)(intptr_t)parse,
                                .parsecb = begin_section};
    for (const struct option_group *group = block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++) {
            must(config_row(block, row->name) == row); /* no name twice */
            opts[count++] = make_opt(parse, row);
        }
    return opts;
}

bool config_parse(struct config *config, const struct config_text *text)
{
    struct parse parse = {.config = config, .text = text};
    cfg_t *cfg = cfg_init(make_opts(&parse, config->block), CFGF_NONE);

    must(cfg != NULL);
    cfg_set_error_function(cfg, refuse);
    int result = cfg_parse_buf(cfg, text->text);
    cfg_free(cfg);
    if (result == CFG_SUCCESS)
        return true;
    return config_fail(config, config->root->place, NULL, NULL, "cannot be parsed");
}
