/* SPDX-License-Identifier: ISC
 *
 * results - what checks found, in the language of Authentication-Results (RFC 8601): "spf=pass
 * smtp.mailfrom=a.example".
 *
 * Each is one resinfo, without CR, LF or anything that ends it; result_add makes sure of that. Those of CONNECT to AUTH
 * last for the session, others for the transaction. One that does not fit is left out whole.
 */
#ifndef POSTERN_WORKERS_RESULTS_H
#define POSTERN_WORKERS_RESULTS_H

#include <stdbool.h>

#include "common/slice.h"

enum { RESULTS_BYTES = 1024, RESULTS_MAX = 16 };

/* Zero: none. */
struct results {
    int count;
    size_t used;
    char text[RESULTS_BYTES]; /* NUL behind each */
};

bool result_add(struct results *results, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct slice result_at(const struct results *results, int i);

#endif
