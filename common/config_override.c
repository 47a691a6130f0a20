/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/config_internal.h"

struct override {
    struct config *config;
    const char *value;
    struct config_place place;
};

static bool apply(const struct override *o, struct config_section *section, const char *path);

/* What follows `name` and a dot in `path`; NULL when it begins otherwise. */
static const char *behind(const char *path, const char *name)
{
    size_t size = strlen(name);
    return strncmp(path, name, size) == 0 && path[size] == '.' ? path + size + 1 : NULL;
}

static bool replace(const struct override *o, struct config_section *section, const struct option *row)
{
    struct config_setting *setting = config_setting_find(section, row);

    if (setting == NULL)
        setting = config_setting_add(o->config, section, row, o->place);
    setting->first = setting->last = NULL;
    setting->count = 0;
    setting->place = o->place;
    if (config_row_is_list(row))
        config_setting_split(o->config, setting, o->value, o->place);
    else
        config_setting_put(o->config, setting, o->value, o->place);
    return true;
}

static struct config_section *find_single(const struct override *o, struct config_section *section,
                                          const struct option *row)
{
    for (struct config_section *s = section->first; s != NULL; s = s->next)
        if (s->row == row)
            return s;
    struct config_section *made = config_section_add(o->config, section, row, NULL, o->place);
    made->present = true;
    return made;
}

/* Titles hold dots (zen.spamhaus.org): of those that fit, the longest is meant. */
static struct config_section *find_titled(struct config_section *section, const struct option *row, const char *path)
{
    struct config_section *found = NULL;

    for (struct config_section *s = section->first; s != NULL; s = s->next)
        if (s->row == row && behind(path, s->title) != NULL &&
            (found == NULL || strlen(s->title) > strlen(found->title)))
            found = s;
    return found;
}

static bool apply_to_all(const struct override *o, struct config_section *section, const struct option *row,
                         const char *path)
{
    bool any = false;

    for (struct config_section *s = section->first; s != NULL; s = s->next) {
        if (s->row != row)
            continue;
        if (!apply(o, s, path))
            return false;
        any = true;
    }
    return any || config_fail(o->config, o->place, section, row->name, "there is no such block in the file");
}

static bool apply_inside(const struct override *o, struct config_section *section, const struct option *row,
                         const char *path)
{
    if (!row->block->titled)
        return apply(o, find_single(o, section, row), path);
    struct config_section *titled = find_titled(section, row, path);
    if (titled != NULL)
        return apply(o, titled, behind(path, titled->title));
    return apply_to_all(o, section, row, path);
}

static bool apply(const struct override *o, struct config_section *section, const char *path)
{
    const struct option *row = config_row(section->block, path);

    if (row != NULL && !config_row_is_block(row))
        return replace(o, section, row);
    if (row != NULL)
        return config_fail(o->config, o->place, section, path, "is a block; name an option inside it");
    for (const struct option_group *group = section->block->groups; group->rows != NULL; group++)
        for (row = group->rows; row->type != OPTION_END; row++)
            if (config_row_is_block(row) && behind(path, row->name) != NULL)
                return apply_inside(o, section, row, behind(path, row->name));
    return config_fail_unknown(o->config, o->place, section, path);
}

bool config_override(struct config *config, const char *override)
{
    struct slice rest = slice_of(override);
    bool has_value = slice_has(rest, '=');
    const char *path = config_copy(&config->arena, slice_trim(slice_take_until(&rest, '=')));
    size_t size = strlen(override) + sizeof "override ";
    char *words = config_alloc(&config->arena, size);
    struct override o = {config, config_copy(&config->arena, slice_trim(rest)), {words, 0}};

    snprintf(words, size, "override %s", override);
    if (!has_value)
        return config_fail(config, o.place, NULL, NULL,
                           "no =; write option=value, block.option=value or block.NAME.option=value");
    return apply(&o, config->root, path);
}
