/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "daemon/ctl/column.h"

enum { MS_PER_S = 1000, US_PER_MS = 1000 };

void column_print_age(char cell[COLUMN_CELL_MAX], int64_t ms)
{
    int64_t s = ms / MS_PER_S;
    if (s >= 86400)
        snprintf(cell, COLUMN_CELL_MAX, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(cell, COLUMN_CELL_MAX, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(cell, COLUMN_CELL_MAX, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else
        snprintf(cell, COLUMN_CELL_MAX, "%" PRId64 "s", s);
}

void column_print_bytes(char cell[COLUMN_CELL_MAX], int64_t bytes)
{
    static const char *const units[] = {"", "K", "M", "G", "T", "P"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= 1024;
    snprintf(cell, COLUMN_CELL_MAX, unit == 0 || value >= 100 ? "%.0f%s" : "%.1f%s", value, units[unit]);
}

static void print_when(char cell[COLUMN_CELL_MAX], int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm tm;
    if (localtime_r(&at, &tm) == NULL || strftime(cell, COLUMN_CELL_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(cell, COLUMN_CELL_MAX, "%" PRId64, seconds);
}

void column_print_text(char cell[COLUMN_CELL_MAX], const char *text, size_t size)
{
    size = size < COLUMN_CELL_MAX ? size : COLUMN_CELL_MAX - 1;
    for (size_t i = 0; i < size; i++)
        cell[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    cell[size] = '\0';
}

void column_print(char cell[COLUMN_CELL_MAX], const struct answer_record *record, const struct column *column)
{
    const struct answer_field *field = answer_find(record, column->key);
    cell[0] = '\0';
    if (field == NULL)
        return;
    if (field->type == CONTROL_IS_FLAG)
        snprintf(cell, COLUMN_CELL_MAX, "%s", field->number != 0 ? "yes" : "no");
    else if (field->type == CONTROL_IS_TEXT || column->unit == AS_IT_IS || column->unit == YES_NO)
        column_print_text(cell, field->text, field->size);
    else if (column->unit == AGE)
        column_print_age(cell, field->number);
    else if (column->unit == WHEN)
        print_when(cell, field->number);
    else if (column->unit == BYTES)
        column_print_bytes(cell, field->number);
    else if (column->unit == MICROSECONDS)
        snprintf(cell, COLUMN_CELL_MAX, "%.3f ms", (double)field->number / US_PER_MS);
    else
        snprintf(cell, COLUMN_CELL_MAX, "%" PRId64 " ms", field->number);
}

bool column_is_numeric(const struct answer_record *record, const struct column *column)
{
    const struct answer_field *field = answer_find(record, column->key);
    return field != NULL && field->type == CONTROL_IS_NUMBER && column->unit != WHEN;
}
