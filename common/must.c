/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "common/log.h"
#include "common/must.h"

void must_failed(const char *condition, const char *file, int line)
{
    struct record r;
    record_begin(&r, "bug");
    record_string(&r, "file", file);
    record_number(&r, "line", (uint64_t)line);
    record_string(&r, "broken", condition);
    record_send(&r, LEVEL_ERROR);
    abort();
}
