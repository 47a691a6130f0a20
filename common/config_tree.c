/* SPDX-License-Identifier: ISC
 *
 * The tree of texts between parsing and filling, and the look into the tables that goes with it. */
#include <string.h>

#include "common/must.h"

#include "common/config_internal.h"

struct config_section *config_section_add(struct config *config, struct config_section *parent,
                                          const struct option *row, const char *title, struct config_place place)
{
    struct config_section *section = config_alloc(&config->arena, sizeof *section);

    section->block = row != NULL ? row->block : config->block;
    section->row = row;
    section->title = title != NULL ? config_copy(&config->arena, slice_of(title)) : NULL;
    section->place = place;
    section->parent = parent;
    if (parent == NULL)
        return section;
    if (parent->last != NULL)
        parent->last->next = section;
    else
        parent->first = section;
    parent->last = section;
    return section;
}

struct config_setting *config_setting_find(const struct config_section *section, const struct option *row)
{
    for (struct config_setting *setting = section->settings; setting != NULL; setting = setting->next)
        if (setting->row == row)
            return setting;
    return NULL;
}

struct config_setting *config_setting_add(struct config *config, struct config_section *section,
                                          const struct option *row, struct config_place place)
{
    struct config_setting *setting = config_alloc(&config->arena, sizeof *setting);

    setting->row = row;
    setting->place = place;
    setting->next = section->settings;
    section->settings = setting;
    return setting;
}

void config_setting_put(struct config *config, struct config_setting *setting, const char *text,
                        struct config_place place)
{
    struct config_value *value = config_alloc(&config->arena, sizeof *value);

    value->text = text;
    value->place = place;
    if (setting->last != NULL)
        setting->last->next = value;
    else
        setting->first = value;
    setting->last = value;
    setting->count++;
}

void config_setting_split(struct config *config, struct config_setting *setting, const char *text,
                          struct config_place place)
{
    struct slice rest = slice_of(text);

    while (rest.size > 0) {
        struct slice item = slice_trim(slice_take_until(&rest, ','));
        config_setting_put(config, setting, config_copy(&config->arena, item), place);
    }
}

/* ---- tables ---- */

const struct option *config_row(const struct block *block, const char *name)
{
    for (const struct option_group *group = block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

bool config_row_is_block(const struct option *row)
{
    return row->type == OPTION_BLOCK || row->type == OPTION_BLOCK_AT;
}

bool config_row_is_list(const struct option *row)
{
    return row->type == OPTION_TEXTS || row->type == OPTION_ENDPOINTS || row->type == OPTION_RESOLVERS ||
           row->type == OPTION_NETWORKS || row->type == OPTION_RATES || row->type == OPTION_STEPS;
}

/* ---- a name that nobody knows ---- */

enum { NAME_COMPARED_MAX = 48 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* Levenshtein's distance, one row of the matrix at a time. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_COMPARED_MAX + 1], a_size = strlen(a), b_size = strlen(b);

    if (a_size > NAME_COMPARED_MAX || b_size > NAME_COMPARED_MAX)
        return NAME_COMPARED_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t changed = diagonal + (ascii_lower(a[i - 1]) != ascii_lower(b[j - 1]));
            diagonal = row[j];
            row[j] = least(changed, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[b_size];
}

/* The known name that is so close that it was meant; NULL: none. */
static const char *closest(const struct block *block, const char *name)
{
    size_t best = strlen(name) / 3 + 2;
    const char *found = NULL;

    for (const struct option_group *group = block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++) {
            size_t d = distance(name, row->name);
            if (d < best && d < strlen(row->name)) {
                best = d;
                found = row->name;
            }
        }
    return found;
}

/* The block, of all below `block`, that knows `name`. */
static const struct block *knower(const struct block *block, const char *name)
{
    if (config_row(block, name) != NULL)
        return block;
    for (const struct option_group *group = block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++) {
            const struct block *found = config_row_is_block(row) ? knower(row->block, name) : NULL;
            if (found != NULL)
                return found;
        }
    return NULL;
}

static void print_known(char *to, size_t size, const struct block *block)
{
    size_t used = 0;

    to[0] = '\0';
    for (const struct option_group *group = block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++) {
            int n = snprintf(to + used, size - used, "%s%s", used > 0 ? ", " : "", row->name);
            must(n >= 0);
            if ((size_t)n >= size - used)
                return;
            used += (size_t)n;
        }
}

static const char *block_words(const struct config *config, const struct block *block)
{
    return block == config->block ? "the top level, outside of all blocks" : block->name;
}

bool config_fail_unknown(struct config *config, struct config_place place, const struct config_section *section,
                         const char *name)
{
    char known[1024], shown[CONFIG_SHOWN_MAX], hint[256] = "";
    const char *meant = closest(section->block, name);
    const struct block *home = knower(config->block, name);

    print_known(known, sizeof known, section->block);
    if (home != NULL)
        snprintf(hint, sizeof hint, "; it belongs into %s", block_words(config, home));
    else if (meant != NULL)
        snprintf(hint, sizeof hint, "; did you mean %s?", meant);
    return config_fail(config, place, section, NULL, "%s is not known here%s%s allowed: %s", config_show(name, shown),
                       hint, hint[0] != '\0' && home == NULL ? "" : ";", known);
}
