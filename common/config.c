/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"

#include "common/config_internal.h"

/* ---- the one error of a load ---- */

struct why {
    char *at;
    size_t room;
};

__attribute__((format(printf, 2, 0))) static void vput(struct why *why, const char *format, va_list arguments)
{
    int n = vsnprintf(why->at, why->room, format, arguments);
    size_t used = n < 0 ? 0 : (size_t)n;

    used = used < why->room ? used : why->room > 0 ? why->room - 1 : 0;
    why->at += used;
    why->room -= used;
}

__attribute__((format(printf, 2, 3))) static void put(struct why *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vput(why, format, arguments);
    va_end(arguments);
}

static void put_path(struct why *why, const struct config_section *section)
{
    if (section == NULL || section->parent == NULL)
        return;
    put_path(why, section->parent);
    put(why, "%s%s%s: ", section->block->name, section->title != NULL ? " " : "",
        section->title != NULL ? section->title : "");
}

__attribute__((format(printf, 5, 0))) static bool vfail(struct config *config, struct config_place place,
                                                        const struct config_section *section, const char *option,
                                                        const char *format, va_list arguments)
{
    struct why why = {config->why, config->why_size};

    if (config->failed || config->why == NULL)
        return false;
    config->failed = true;
    put(&why, "%s:", place.file);
    if (place.line > 0)
        put(&why, "%d:", place.line);
    put(&why, " ");
    put_path(&why, section);
    if (option != NULL)
        put(&why, "%s: ", option);
    vput(&why, format, arguments);
    return false;
}

bool config_fail(struct config *config, struct config_place place, const struct config_section *section,
                 const char *option, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfail(config, place, section, option, format, arguments);
    va_end(arguments);
    return false;
}

const char *config_show(const char *text, char shown[CONFIG_SHOWN_MAX])
{
    size_t size = 0;

    shown[size++] = '"';
    for (; *text != '\0' && size < CONFIG_SHOWN_MAX - 5; text++)
        shown[size++] = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
    snprintf(shown + size, CONFIG_SHOWN_MAX - size, "%s\"", *text != '\0' ? "..." : "");
    return shown;
}

/* ---- loading ---- */

static bool load(struct config *config, const char *path, const struct text_list *overrides)
{
    struct config_text text = {.text = NULL};
    bool ok = config_read(config, path, &text) && config_parse(config, &text);

    config_text_free(&text);
    for (size_t i = 0; ok && i < overrides->count; i++)
        ok = config_override(config, overrides->items[i]);
    return ok && config_fill(config);
}

struct config *config_load_with(const char *path, const struct block *root, const struct text_list *overrides,
                                char *why, size_t why_size)
{
    struct config *config = calloc(1, sizeof *config);

    must(config != NULL && why_size > 0);
    why[0] = '\0';
    config->block = root;
    config->why = why;
    config->why_size = why_size;
    if (!load(config, path, overrides)) {
        must(config->failed);
        config_free(&config);
        return NULL;
    }
    config->why = NULL;
    return config;
}

struct config *config_load(const char *path, const struct block *root, char *why, size_t why_size)
{
    return config_load_with(path, root, &(struct text_list){.count = 0}, why, why_size);
}

void config_free(struct config **config)
{
    if (*config == NULL)
        return;
    config_arena_clear(&(*config)->arena);
    free(*config);
    *config = NULL;
}

const void *config_root(const struct config *config)
{
    return config->root->filled;
}

const void *block_at(const struct block_list *list, size_t i)
{
    must(i < list->count);
    return (const char *)list->items + i * list->item_size;
}

/* ---- for the checks of blocks ---- */

/* The section that `filled` is of. A block that stands first in its parent's struct has the parent's address: the one
 * that knows `option` is meant. */
static const struct config_section *find_filled(const struct config_section *section, const void *filled,
                                                const char *option)
{
    if (section->filled == filled && (option == NULL || config_row(section->block, option) != NULL))
        return section;
    for (const struct config_section *inner = section->first; inner != NULL; inner = inner->next) {
        const struct config_section *found = find_filled(inner, filled, option);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const struct config_section *section_of(const struct config *config, const void *filled, const char *option)
{
    const struct config_section *section = config->checking != NULL ? config->checking : config->root;
    const struct config_section *found = find_filled(section, filled, option);

    if (found == NULL)
        found = find_filled(config->root, filled, option);
    return found;
}

/* Where `option`, a value or a block, was written in `section`; NULL: it was not. */
static const struct config_place *place_in(const struct config_section *section, const char *option)
{
    const struct option *row = option != NULL ? config_row(section->block, option) : NULL;
    const struct config_setting *setting = row != NULL ? config_setting_find(section, row) : NULL;

    if (setting != NULL)
        return &setting->place;
    for (const struct config_section *s = section->first; row != NULL && s != NULL; s = s->next)
        if (s->row == row && s->present)
            return &s->place;
    return NULL;
}

/* Said of something that is no block's struct: the nearest place is better than none. */
static const struct config_section *nearest(const struct config *config, const void *filled, const char *option)
{
    const struct config_section *section = section_of(config, filled, option);
    if (section != NULL)
        return section;
    return config->checking != NULL ? config->checking : config->root;
}

static struct config_place place_of(const struct config_section *section, const char *option)
{
    const struct config_place *place = place_in(section, option);
    return place != NULL ? *place : section->place;
}

bool config_refuse(struct config *config, const void *filled, const char *option, const char *format, ...)
{
    const struct config_section *section = nearest(config, filled, option);
    va_list arguments;

    va_start(arguments, format);
    vfail(config, place_of(section, option), section, option, format, arguments);
    va_end(arguments);
    return false;
}

bool config_complain(const struct config *config, char *why, size_t why_size, const void *filled, const char *option,
                     const char *format, ...)
{
    const struct config_section *section = nearest(config, filled, option);
    struct config teller = {.why = why, .why_size = why_size};
    va_list arguments;

    va_start(arguments, format);
    vfail(&teller, place_of(section, option), section, option, format, arguments);
    va_end(arguments);
    return false;
}

bool config_is_set(const struct config *config, const void *filled, const char *option)
{
    const struct config_section *section = section_of(config, filled, option);
    return section != NULL && place_in(section, option) != NULL;
}
