/* SPDX-License-Identifier: ISC
 *
 * Lines of the memory on disk (posternctl store import), and how two records of one key become one. What is taken is
 * printed and read again the same, by a key that records have. Two hosts that tell each other what they know agree, and
 * have no more to say to each other then.
 */
#include <string.h>

#include "common/store_record.h"
#include "tests/fuzz/target.h"
#include "workers/teller/merge.h"

enum { NOW = 1800000000 };

struct entry {
    struct store_key key;
    enum store_kind kind;
    struct store_record record;
};

static bool is_same_key(const struct store_key *a, const struct store_key *b)
{
    return law_same(store_key_slice(a), store_key_slice(b));
}

static struct slice print(const struct entry *entry, char text[STORE_LINE_MAX + 1])
{
    struct buffer line;
    buffer_init(&line, text, STORE_LINE_MAX + 1);
    store_line_print(&line, store_key_slice(&entry->key), &entry->record);
    law(!line.overflow && line.end <= STORE_LINE_MAX, "a line of %zu octets", line.end);
    return buffer_unread(&line);
}

/* As another host reads it. */
static struct entry told(const struct entry *entry)
{
    char text[STORE_LINE_MAX + 1], again[STORE_LINE_MAX + 1];
    struct slice printed = print(entry, text);
    struct entry read = {.kind = entry->kind};
    law(law_is_clean(store_key_slice(&entry->key)), "a key that no line has");
    const char *wrong = store_line_parse(printed, &read.key, &read.record);
    law(wrong == NULL, "%.*s: %s", SLICE_ARGS(printed), wrong);
    law(law_same(print(&read, again), printed), "another record: %.*s", SLICE_ARGS(printed));
    return read;
}

static bool read_entry(struct slice line, struct entry *out)
{
    if (line.size > STORE_LINE_MAX || store_line_parse(line, &out->key, &out->record) != NULL)
        return false;
    law(store_kind_of(store_key_slice(&out->key), &out->kind), "a key of no kind: %.*s", SLICE_ARGS(line));
    told(out);
    return true;
}

/* As an import does it: what is over is left out. True: something has changed. */
static bool hears(struct entry *there, const struct entry *other)
{
    struct store_record taken = told(other).record, merged;
    if (store_record_is_over(&taken, NOW))
        return false;
    merge_by_now(there->kind, &taken, NOW);
    if (!merge_records(there->kind, &there->record, &taken, NOW, &merged))
        return false;
    there->record = merged;
    return true;
}

static void check_merge(struct entry one, struct entry other)
{
    bool had_passed = one.record.passed != 0 && !store_record_is_over(&one.record, NOW);
    hears(&one, &other);
    law(one.kind != STORE_GREY || !had_passed || one.record.passed != 0, "who had passed has not any more");
    hears(&other, &one);
    hears(&one, &other);
    law(!hears(&other, &one) && !hears(&one, &other), "they do not come to an end");
}

FUZZ
{
    struct entry before, now;
    bool has_one = false;
    while (input.size > 0) {
        if (!read_entry(slice_take_until(&input, '\n'), &now))
            continue;
        if (has_one && is_same_key(&before.key, &now.key))
            check_merge(before, now);
        before = now;
        has_one = true;
    }
}
