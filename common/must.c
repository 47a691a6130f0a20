/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "common/log.h"
#include "common/must.h"

void must_failed(const char *condition, const char *file, int line)
{
    log_line(LEVEL_ERROR, "bug at %s:%d: %s does not hold", file, line, condition);
    abort();
}
