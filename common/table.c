/* SPDX-License-Identifier: ISC */
#include "common/table.h"

static uint64_t lines_for(uint64_t entries)
{
    uint64_t lines = 1;
    while (lines * TABLE_WAYS < entries)
        lines *= 2;
    return lines;
}

size_t table_bytes(uint64_t entries)
{
    return (size_t)(lines_for(entries) * TABLE_WAYS * sizeof(uint64_t));
}

struct table table_at(void *memory, size_t bytes)
{
    return (struct table){memory, bytes / (TABLE_WAYS * sizeof(uint64_t))};
}
