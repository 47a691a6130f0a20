/* SPDX-License-Identifier: ISC
 *
 * A shelf in a directory of its own for each test, and numbered records in it. */
#ifndef POSTERN_TESTS_UNIT_SHELF_RIG_H
#define POSTERN_TESTS_UNIT_SHELF_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "workers/storekeeper/shelf.h"

enum { BATCH = 100, BYTES_MAX = 16 << 20, PATH_ROOM = 256 };

struct rig {
    char directory[64], file[PATH_ROOM], lock[PATH_ROOM], aside[PATH_ROOM];
    struct shelf *shelf;
    const char *why;
};

static inline int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    snprintf(rig->directory, sizeof(rig->directory), "/tmp/postern-shelf-XXXXXX");
    assert_non_null(mkdtemp(rig->directory));
    snprintf(rig->file, sizeof(rig->file), "%s/memory.mdb", rig->directory);
    snprintf(rig->lock, sizeof(rig->lock), "%s/memory.mdb-lock", rig->directory);
    snprintf(rig->aside, sizeof(rig->aside), "%s/memory.damaged", rig->directory);
    *state = rig;
    return 0;
}

static inline int tear_down(void **state)
{
    struct rig *rig = *state;
    shelf_close(&rig->shelf);
    unlink(rig->file);
    unlink(rig->lock);
    unlink(rig->aside);
    int left = rmdir(rig->directory); /* nothing else was left there */
    free(rig);
    return left;
}

static inline void open_it(struct rig *rig, uint64_t bytes_max)
{
    enum shelf_result result = shelf_open(&rig->shelf, rig->directory, bytes_max, &rig->why);
    if (result != SHELF_DONE)
        fail_msg("open: %d, %s", result, rig->why);
}

static inline struct slice name_of(char text[32], int number)
{
    return slice_make(text, (size_t)snprintf(text, 32, "g x%07d.example a@b c@d", number));
}

/* Records (or their ends) from..from+count-1, as one write. */
static inline enum shelf_result write_range(struct shelf *shelf, int from, int count, bool is_there)
{
    struct shelf_change *changes = calloc((size_t)count, sizeof(*changes));
    struct store_record *records = calloc((size_t)count, sizeof(*records));
    char(*names)[32] = calloc((size_t)count, sizeof(*names));
    for (int i = 0; i < count; i++) {
        records[i].count = (uint32_t)(from + i);
        changes[i] = (struct shelf_change){name_of(names[i], from + i), is_there ? &records[i] : NULL};
    }
    const char *why;
    enum shelf_result result = shelf_write(shelf, changes, (size_t)count, &why);
    free(names);
    free(records);
    free(changes);
    return result;
}

static inline bool has(struct shelf *shelf, int number)
{
    char name[32];
    struct store_record record;
    return shelf_find(shelf, name_of(name, number), &record) == SHELF_DONE && record.count == (uint32_t)number;
}

static inline enum shelf_result put_one(struct shelf *shelf, const char *key, uint32_t count)
{
    struct store_record record = {.count = count};
    struct shelf_change change = {slice_of(key), &record};
    return shelf_write(shelf, &change, 1, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
