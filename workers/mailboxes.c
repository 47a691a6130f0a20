/* SPDX-License-Identifier: ISC */
#include "workers/mailboxes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/listfile.h"
#include "common/nameset.h"
#include "workers/access/access_options.h"

enum { SHOWN_MAX = 80 };

struct mailboxes {
    struct nameset names;
};

/* As in access { allow_recipient = .. }: one way to write a recipient is enough. */
static const char *parse(struct slice word, struct access_item *out, const char **allowed_out)
{
    return access_item_parse(ACCESS_RECIPIENT, ACCESS_ALLOW, word, slice_make(word.at, 0), out, allowed_out);
}

bool mailboxes_check(struct config *config, const void *filled, const char *option, const struct text_list *list)
{
    struct access_item item;
    const char *allowed;
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i], *file = access_file_of(text);
        bool is_fine = file != NULL ? file[0] == '/' : parse(slice_of(text), &item, &allowed) == NULL;
        if (!is_fine)
            return config_refuse(config, filled, option,
                                 "'%s' is no recipient; allowed: ann@example.org, @example.org for all of a domain, "
                                 "ann@ in any domain, file:/etc/postern/recipients",
                                 text);
    }
    return list->count > 0 || !config_is_set(config, filled, option) ||
           config_refuse(config, filled, option, "an empty list would let nobody be there; leave the option out");
}

const char *mailboxes_file(const struct text_list *list, size_t number)
{
    for (size_t i = 0; i < list->count; i++)
        if (access_file_of(list->items[i]) != NULL && number-- == 0)
            return access_file_of(list->items[i]);
    return NULL;
}

/* -- making -- */

struct making {
    const char *option;
    struct check_fault *fault;
    struct nameset_draft names;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct making *making, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    making->fault->option = making->option;
    vsnprintf(making->fault->text, sizeof(making->fault->text), format, args);
    va_end(args);
    return false;
}

static bool add_lines(struct making *making, const char *path, const struct listfile *file)
{
    struct listfile_lines lines = {.rest = slice_make(file->octets, file->size)};
    struct listfile_item line;
    struct access_item item;
    const char *allowed;
    while (listfile_next(&lines, &line)) {
        const char *wrong = parse(line.word, &item, &allowed);
        if (wrong != NULL)
            return fail(making, "%s:%u: '%.*s' %s; allowed: %s", path, lines.number,
                        (int)(line.word.size < SHOWN_MAX ? line.word.size : SHOWN_MAX), line.word.at, wrong, allowed);
        if (!nameset_add(&making->names, item.name, lines.number))
            return false;
    }
    return lines.wrong == NULL || fail(making, "%s:%u: %s", path, lines.number, lines.wrong);
}

static bool add_file(struct making *making, const char *path)
{
    char why[CHECK_FAULT_MAX / 2];
    struct listfile file;
    size_t before = making->names.count;
    if (!listfile_read(path, &file, why, sizeof(why)))
        return fail(making, "%s %s", path, why);
    bool added = add_lines(making, path, &file);
    listfile_free(&file);
    return added && (making->names.count > before || fail(making, "%s holds no recipient at all", path));
}

static bool add_item(struct making *making, const char *text)
{
    struct access_item item;
    const char *allowed;
    if (access_file_of(text) != NULL)
        return add_file(making, access_file_of(text));
    if (parse(slice_of(text), &item, &allowed) != NULL)
        return fail(making, "'%s' is no recipient; allowed: %s", text, allowed);
    return nameset_add(&making->names, item.name, 0);
}

struct mailboxes *mailboxes_new(const char *option, const struct text_list *list, struct check_fault *fault_out)
{
    struct mailboxes *mailboxes = calloc(1, sizeof(*mailboxes));
    struct making making = {.option = option, .fault = fault_out};
    bool made = mailboxes != NULL;
    fault_out->option = NULL;
    for (size_t i = 0; made && i < list->count; i++)
        made = add_item(&making, list->items[i]);
    made = made && (making.names.count == 0 || nameset_compile(&making.names, &mailboxes->names));
    nameset_clear_draft(&making.names);
    if (!made)
        mailboxes_free(&mailboxes);
    return mailboxes;
}

void mailboxes_free(struct mailboxes **mailboxes)
{
    if (*mailboxes == NULL)
        return;
    nameset_clear(&(*mailboxes)->names);
    free(*mailboxes);
    *mailboxes = NULL;
}

/* -- looking -- */

static bool is_there(const struct mailboxes *mailboxes, struct slice local, struct slice domain)
{
    return nameset_find_address(&mailboxes->names, local, domain) != NAMESET_NONE;
}

/* What begins with it has nothing before it. */
static struct slice without_extension(struct slice local, char delimiter)
{
    for (size_t i = 1; i < local.size; i++)
        if (local.at[i] == delimiter)
            return slice_make(local.at, i);
    return local;
}

bool mailboxes_hold(const struct mailboxes *mailboxes, const struct path *path, char delimiter)
{
    char text[PATH_MAX_OCTETS];
    struct slice local = path_plain_local(path, text);
    if (is_there(mailboxes, local, path->domain))
        return true;
    return delimiter != '\0' && is_there(mailboxes, without_extension(local, delimiter), path->domain);
}
