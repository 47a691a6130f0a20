/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/top_rows.h"

struct order {
    const char *key;
    bool reversed;
};

static int by_value(const struct answer_field *a, const struct answer_field *b)
{
    if (a == NULL || b == NULL)
        return (a == NULL) - (b == NULL);
    if (a->type == CONTROL_IS_TEXT || b->type == CONTROL_IS_TEXT)
        return strcmp(a->text, b->text);
    return a->number == b->number ? 0 : a->number > b->number ? -1 : 1;
}

static int by_order(const void *a, const void *b, void *context)
{
    const struct answer_record *one = *(const struct answer_record *const *)a;
    const struct answer_record *other = *(const struct answer_record *const *)b;
    const struct order *order = context;
    int found = order->key != NULL ? by_value(answer_find(one, order->key), answer_find(other, order->key)) : 0;
    if (found == 0) /* records lie in the order in which they came */
        found = one < other ? -1 : one > other;
    return order->reversed ? -found : found;
}

static bool passes(const struct answer_record *record, const struct top_pane *pane, const char *filter)
{
    char cell[COLUMN_CELL_MAX];
    if (filter[0] == '\0')
        return true;
    for (int i = 0; i < top_pane_columns(pane); i++) {
        column_print(cell, record, &pane->columns[i].column);
        if (strcasestr(cell, filter) != NULL)
            return true;
    }
    return false;
}

static void make_room(struct top_rows *rows, int count)
{
    if (count <= rows->capacity)
        return;
    const struct answer_record **more = realloc(rows->at, (size_t)count * sizeof(*more));
    if (more == NULL) {
        fputs("posternctl: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    rows->at = more;
    rows->capacity = count;
}

void top_rows_arrange(struct top_rows *rows, const struct answer *answer, const struct top_pane *pane,
                      const struct top_sort *sort, bool reversed, const char *filter)
{
    struct order order = {.key = sort->key, .reversed = reversed};
    make_room(rows, answer->count);
    rows->count = 0;
    for (int i = 0; i < answer->count; i++)
        if (strcmp(answer->records[i].kind, pane->kind) == 0 && passes(&answer->records[i], pane, filter))
            rows->at[rows->count++] = &answer->records[i];
    if (rows->count > 0)
        qsort_r(rows->at, (size_t)rows->count, sizeof(*rows->at), by_order, &order);
}

int top_rows_find(const struct top_rows *rows, const struct top_pane *pane, const char *key)
{
    for (int i = 0; i < rows->count; i++)
        if (strcmp(answer_text(rows->at[i], pane->key), key) == 0)
            return i;
    return -1;
}

void top_rows_clear(struct top_rows *rows)
{
    free(rows->at);
    *rows = (struct top_rows){0};
}
