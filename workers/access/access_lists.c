/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/listfile.h"
#include "common/nameset.h"
#include "common/netset.h"
#include "common/textset.h"
#include "workers/access/access_lists.h"
#include "workers/smtp/address.h"

/* An entry is known by its source and its line there; of a list that stands in the configuration, by its place. */
enum { LINE_BITS = 24, LINE_MASK = (1 << LINE_BITS) - 1, SHOWN_MAX = 80 };

_Static_assert((int)LISTFILE_LINES_MAX <= (int)LINE_MASK, "each line has its number");
_Static_assert(ACCESS_SOURCES_MAX <= UINT32_MAX >> LINE_BITS, "NETSET_NONE is no entry of the last source");

struct source {
    const char *name;
    bool is_file;
    enum access_action action;
};

struct access_set {
    struct source sources[ACCESS_SOURCES_MAX];
    int source_count;
    struct netset networks;
    struct nameset names;
    struct textset rests;
};
struct access_lists {
    struct access_set sets[ACCESS_OFS];
};

/* -- making -- */

struct making {
    const struct access_options *options;
    struct check_fault *fault;
    enum access_of of;
    enum access_action action;
    struct access_set *set;
    struct netset_draft networks;
    struct nameset_draft names;
    struct textset_draft rests;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct making *making, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    making->fault->option = access_list_name(making->of, making->action);
    vsnprintf(making->fault->text, sizeof(making->fault->text), format, args);
    va_end(args);
    return false;
}

static bool add_source(struct making *making, const char *name, bool is_file)
{
    struct access_set *set = making->set;
    if (set->source_count == ACCESS_SOURCES_MAX)
        return fail(making, "these are too many files; allowed: %d", ACCESS_SOURCES_MAX - ACCESS_ACTIONS);
    set->sources[set->source_count++] = (struct source){name, is_file, making->action};
    return true;
}

/* False: no memory. */
static bool add_item(struct making *making, const struct access_item *item, uint32_t line)
{
    uint32_t entry = (uint32_t)(making->set->source_count - 1) << LINE_BITS | line;
    bool added = item->is_network ? netset_add(&making->networks, &item->network, entry)
                                  : nameset_add(&making->names, item->name, entry);
    return added && (item->rest.size == 0 || textset_add(&making->rests, entry, item->rest));
}

static bool add_lines(struct making *making, const char *path, const struct listfile *file)
{
    struct listfile_lines lines = {.rest = slice_make(file->octets, file->size)};
    struct listfile_item line;
    struct access_item item;
    while (listfile_next(&lines, &line)) {
        const char *allowed,
            *wrong = access_item_parse(making->of, making->action, line.word, line.rest, &item, &allowed);
        if (wrong != NULL)
            return fail(making, "%s:%u: '%.*s'%s %s; allowed: %s", path, lines.number,
                        (int)(line.word.size < SHOWN_MAX ? line.word.size : SHOWN_MAX), line.word.at,
                        line.word.size > SHOWN_MAX ? ".." : "", wrong, allowed);
        if (!add_item(making, &item, lines.number))
            return false;
    }
    return lines.wrong == NULL || fail(making, "%s:%u: %s", path, lines.number, lines.wrong);
}

static bool add_file(struct making *making, const char *path)
{
    char why[CHECK_FAULT_MAX / 2];
    struct listfile file;
    if (!listfile_read(path, &file, why, sizeof(why)))
        return fail(making, "%s %s", path, why);
    bool added = add_source(making, path, true) && add_lines(making, path, &file);
    listfile_free(&file);
    return added;
}

/* config has looked at it. */
static bool add_text(struct making *making, const char *text, uint32_t place)
{
    struct slice rest = slice_of(text), word = slice_take_word(&rest);
    struct access_item item;
    const char *allowed;
    if (access_item_parse(making->of, making->action, word, slice_trim(rest), &item, &allowed) != NULL)
        return fail(making, "'%s' is no item; allowed: %s", text, allowed);
    return add_item(making, &item, place);
}

/* What stands in the configuration is one source, before the files. */
static bool add_list(struct making *making)
{
    const struct text_list *list = &making->options->lists[making->of][making->action];
    bool added = true, begun = false;
    for (size_t i = 0; added && i < list->count; i++) {
        if (access_file_of(list->items[i]) != NULL)
            continue;
        added = (begun || add_source(making, access_list_name(making->of, making->action), false)) &&
                add_text(making, list->items[i], (uint32_t)i & LINE_MASK);
        begun = true;
    }
    for (size_t i = 0; added && i < list->count; i++)
        if (access_file_of(list->items[i]) != NULL)
            added = add_file(making, access_file_of(list->items[i]));
    return added;
}

/* In the order of actions: of equal entries the first that was added counts. */
static bool make_set(const struct access_options *options, enum access_of of, struct access_set *set,
                     struct check_fault *fault)
{
    struct making making = {.options = options, .fault = fault, .of = of, .set = set};
    bool made = true;
    for (int action = 0; made && action < ACCESS_ACTIONS; action++) {
        making.action = (enum access_action)action;
        made = add_list(&making);
    }
    made = made && (making.networks.ipv4.count + making.networks.ipv6.count == 0 ||
                    netset_compile(&making.networks, &set->networks));
    made = made && (making.names.count == 0 || nameset_compile(&making.names, &set->names));
    made = made && textset_compile(&making.rests, &set->rests);
    netset_clear_draft(&making.networks);
    nameset_clear_draft(&making.names);
    textset_clear_draft(&making.rests);
    return made;
}

struct access_lists *access_lists_new(const struct access_options *options, struct check_fault *fault_out)
{
    struct access_lists *lists = calloc(1, sizeof(*lists));
    bool made = lists != NULL;
    fault_out->option = NULL;
    for (int of = 0; made && of < ACCESS_OFS; of++)
        made = make_set(options, (enum access_of)of, &lists->sets[of], fault_out);
    if (!made)
        access_lists_free(&lists);
    return lists;
}

void access_lists_free(struct access_lists **lists)
{
    if (*lists == NULL)
        return;
    for (int of = 0; of < ACCESS_OFS; of++) {
        netset_clear(&(*lists)->sets[of].networks);
        nameset_clear(&(*lists)->sets[of].names);
        textset_clear(&(*lists)->sets[of].rests);
    }
    free(*lists);
    *lists = NULL;
}

/* -- looking -- */

static bool tell(const struct access_set *set, uint32_t entry, struct access_hit *out)
{
    if (entry == NETSET_NONE)
        return false;
    const struct source *source = &set->sources[entry >> LINE_BITS];
    *out = (struct access_hit){.action = source->action,
                               .source = source->name,
                               .line = source->is_file ? entry & LINE_MASK : 0,
                               .rest = textset_find(&set->rests, entry)};
    return true;
}

bool access_find_client(const struct access_lists *lists, const struct ipaddr *client, struct access_hit *out)
{
    const struct access_set *set = &lists->sets[ACCESS_CLIENT];
    return tell(set, netset_find(&set->networks, client), out);
}

bool access_knows_names(const struct access_lists *lists)
{
    return lists->sets[ACCESS_CLIENT].names.memory != NULL;
}

bool access_find_name(const struct access_lists *lists, struct slice name, struct access_hit *out)
{
    const struct access_set *set = &lists->sets[ACCESS_CLIENT];
    return tell(set, nameset_find_domain(&set->names, name), out);
}

bool access_find_helo(const struct access_lists *lists, struct slice name, struct access_hit *out)
{
    const struct access_set *set = &lists->sets[ACCESS_HELO];
    return tell(set, nameset_find_domain(&set->names, name), out);
}

bool access_find_path(const struct access_lists *lists, enum access_of of, const struct path *path,
                      struct access_hit *out)
{
    const struct access_set *set = &lists->sets[of];
    char text[PATH_MAX_OCTETS];
    uint32_t entry = path->is_null ? nameset_find(&set->names, slice_of("<>"))
                                   : nameset_find_address(&set->names, path_plain_local(path, text), path->domain);
    return tell(set, entry, out);
}
