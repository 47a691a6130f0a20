/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/must.h"

#include "common/config_internal.h"

/* A reference, until everything that it could mean is filled. */
struct pending {
    const struct option *row;
    const struct config_section *section;
    const struct config_value *value;
    void *target;
    struct pending *next;
};

struct fill {
    struct config *config;
    struct pending *pending;
};

/* text_list, endpoint_list, network_list, rate_list and score_steps are all this. */
struct any_list {
    const void *items;
    size_t count;
};

static bool fill_section(struct fill *fill, struct config_section *section, void *out);

/* ---- values ---- */

static bool fill_value(struct fill *fill, const struct config_section *section, const struct option *row,
                       const struct config_value *value, void *target)
{
    char error[CONFIG_ERROR_MAX];

    if (config_value_parse(row, value->text, target, error))
        return true;
    return config_fail(fill->config, value->place, section, row->name, "%s", error);
}

/* The points of steps ascend. */
static bool is_in_order(const struct option *row, const char *items, size_t count)
{
    struct score_step last[2];

    if (row->type != OPTION_STEPS || count < 2)
        return true;
    memcpy(last, items + (count - 2) * sizeof last[0], sizeof last);
    return last[0].points < last[1].points;
}

static bool fail_order(struct fill *fill, const struct config_section *section, const struct option *row,
                       const struct config_value *value)
{
    char shown[CONFIG_SHOWN_MAX], allowed[CONFIG_ERROR_MAX];

    config_type_allowed(row, allowed);
    return config_fail(fill->config, value->place, section, row->name,
                       "%s has no more points than the step before it; "
                       "allowed: %s",
                       config_show(value->text, shown), allowed);
}

static bool fill_list(struct fill *fill, const struct config_section *section, const struct config_setting *setting,
                      void *target)
{
    size_t size = config_value_size(setting->row);
    char *items = config_alloc(&fill->config->arena, setting->count * size);
    struct any_list list = {items, 0};

    for (const struct config_value *value = setting->first; value != NULL; value = value->next) {
        if (!fill_value(fill, section, setting->row, value, items + size * list.count++))
            return false;
        if (!is_in_order(setting->row, items, list.count))
            return fail_order(fill, section, setting->row, value);
    }
    memcpy(target, &list, sizeof list);
    if (list.count > 0 || !setting->row->required)
        return true;
    return config_fail(fill->config, setting->place, section, setting->row->name, "the list may not be empty");
}

static void remember_reference(struct fill *fill, const struct config_section *section,
                               const struct config_setting *setting, void *target)
{
    struct pending *pending = config_alloc(&fill->config->arena, sizeof *pending);
    *pending = (struct pending){setting->row, section, setting->first, target, fill->pending};
    fill->pending = pending;
}

/* What stands for an option that is not set; NULL: nothing does. */
static struct config_setting *fallback_of(struct fill *fill, const struct option *row)
{
    static const struct config_place built_in = {"built-in default", 0};
    struct config_setting *setting;

    if (row->fallback == NULL)
        return NULL;
    setting = config_alloc(&fill->config->arena, sizeof *setting);
    setting->row = row;
    if (config_row_is_list(row))
        config_setting_split(fill->config, setting, row->fallback, built_in);
    else
        config_setting_put(fill->config, setting, row->fallback, built_in);
    return setting;
}

static bool fill_option(struct fill *fill, const struct config_section *section, const struct option *row, void *target)
{
    char allowed[CONFIG_ERROR_MAX];
    const struct config_setting *setting = config_setting_find(section, row);

    if (setting == NULL && row->required && section->present) {
        config_type_allowed(row, allowed);
        return config_fail(fill->config, section->place, section, row->name, "is not set, and has to be; allowed: %s",
                           allowed);
    }
    if (setting == NULL)
        setting = fallback_of(fill, row);
    if (setting == NULL)
        return true;
    if (config_row_is_list(row))
        return fill_list(fill, section, setting, target);
    if (row->type != OPTION_REFERENCE)
        return fill_value(fill, section, row, setting->first, target);
    remember_reference(fill, section, setting, target);
    return true;
}

/* ---- blocks ---- */

static struct config_section *find_inner(const struct config_section *section, const struct option *row)
{
    for (struct config_section *inner = section->first; inner != NULL; inner = inner->next)
        if (inner->row == row)
            return inner;
    return NULL;
}

static bool fill_titled(struct fill *fill, struct config_section *section, const struct option *row, void *target)
{
    struct block_list list = {.item_size = row->block->size};

    for (const struct config_section *inner = section->first; inner != NULL; inner = inner->next)
        list.count += inner->row == row;
    if (list.count == 0 && row->block->needed && section->present)
        return config_fail(fill->config, section->place, section, row->name,
                           "none is there; at least one %s NAME { .. } "
                           "is needed",
                           row->name);
    char *items = config_alloc(&fill->config->arena, list.count * list.item_size);
    list.items = items;
    memcpy(target, &list, sizeof list);
    for (struct config_section *inner = section->first; inner != NULL; inner = inner->next) {
        if (inner->row != row)
            continue;
        if (!fill_section(fill, inner, items))
            return false;
        items += list.item_size;
    }
    return true;
}

static bool fill_block(struct fill *fill, struct config_section *section, const struct option *row, void *target)
{
    if (row->block->titled)
        return fill_titled(fill, section, row, target);
    struct config_section *inner = find_inner(section, row);
    if (inner == NULL)
        inner = config_section_add(fill->config, section, row, NULL, section->place);
    return fill_section(fill, inner, target);
}

static bool fill_block_at(struct fill *fill, struct config_section *section, const struct option *row, void *target)
{
    const void *own = config_alloc(&fill->config->arena, row->block->size);

    must(!row->block->titled);
    memcpy(target, &own, sizeof own);
    return fill_block(fill, section, row, (void *)(uintptr_t)own);
}

static bool fill_row(struct fill *fill, struct config_section *section, const struct option *row, void *target)
{
    if (row->type == OPTION_BLOCK)
        return fill_block(fill, section, row, target);
    if (row->type == OPTION_BLOCK_AT)
        return fill_block_at(fill, section, row, target);
    return fill_option(fill, section, row, target);
}

static bool fill_title(struct fill *fill, const struct config_section *section, void *out)
{
    const struct block *block = section->block;
    const char *why;
    char shown[CONFIG_SHOWN_MAX];

    memcpy((char *)out + block->title_offset, &section->title, sizeof section->title);
    if (block->take_title == NULL || block->take_title(section->title, out, &why))
        return true;
    return config_fail(fill->config, section->place, section, NULL, "%s %s", config_show(section->title, shown), why);
}

static bool fill_section(struct fill *fill, struct config_section *section, void *out)
{
    const struct block *block = section->block;

    section->filled = out;
    if (block->titled && !fill_title(fill, section, out))
        return false;
    for (const struct option_group *group = block->groups; group->rows != NULL; group++)
        for (const struct option *row = group->rows; row->type != OPTION_END; row++)
            if (!fill_row(fill, section, row, (char *)out + group->base + row->offset))
                return false;
    return true;
}

/* ---- references ---- */

/* The row, in the blocks around `section`, nearest first, that holds the blocks called `name`. */
static const struct option *find_home(const struct config_section *section, const char *name,
                                      const struct config_section **home_out)
{
    for (; section != NULL; section = section->parent) {
        const struct option *row = config_row(section->block, name);
        *home_out = section;
        if (row != NULL && row->type == OPTION_BLOCK && row->block->titled)
            return row;
    }
    return NULL;
}

static void print_titles(char *to, size_t size, const struct config_section *home, const struct option *row)
{
    size_t used = 0;

    snprintf(to, size, "none is there");
    for (const struct config_section *s = home->first; s != NULL && used < size; s = s->next)
        if (s->row == row) {
            int n = snprintf(to + used, size - used, "%s%s", used > 0 ? ", " : "", s->title);
            used += n > 0 ? (size_t)n : 0;
        }
}

static bool resolve(struct fill *fill, const struct pending *p)
{
    const struct config_section *home;
    const struct option *row = find_home(p->section, p->row->allowed, &home);
    char shown[CONFIG_SHOWN_MAX], titles[512];

    must(row != NULL);
    for (const struct config_section *s = home->first; s != NULL; s = s->next)
        if (s->row == row && strcmp(s->title, p->value->text) == 0) {
            memcpy(p->target, &s->filled, sizeof s->filled);
            return true;
        }
    print_titles(titles, sizeof titles, home, row);
    return config_fail(fill->config, p->value->place, p->section, p->row->name, "there is no %s %s; allowed: %s",
                       row->name, config_show(p->value->text, shown), titles);
}

/* ---- checks ---- */

/* The inner blocks first, so that a block's check may rely on them. */
static bool check_section(struct config *config, const struct config_section *section)
{
    for (const struct config_section *inner = section->first; inner != NULL; inner = inner->next)
        if (!check_section(config, inner))
            return false;
    if (!section->present || section->block->check == NULL)
        return true;
    config->checking = section;
    bool ok = section->block->check(config, section->filled);
    config->checking = NULL;
    return ok || config_fail(config, section->place, section, NULL, "was refused");
}

/* Pending references are a stack: turned round, the first in the file is complained of first. */
static struct pending *reverse(struct pending *list)
{
    struct pending *turned = NULL;
    while (list != NULL) {
        struct pending *next = list->next;
        list->next = turned;
        turned = list;
        list = next;
    }
    return turned;
}

bool config_fill(struct config *config)
{
    struct fill fill = {.config = config};

    if (!fill_section(&fill, config->root, config_alloc(&config->arena, config->block->size)))
        return false;
    for (const struct pending *p = reverse(fill.pending); p != NULL; p = p->next)
        if (!resolve(&fill, p))
            return false;
    return check_section(config, config->root);
}
