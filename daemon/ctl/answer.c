/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/answer.h"

static void *grown(void *memory, size_t bytes)
{
    void *more = realloc(memory, bytes);
    if (more == NULL) {
        fputs("posternctl: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return more;
}

static char *copy(const char *at, size_t size)
{
    char *text = grown(NULL, size + 1);
    memcpy(text, at, size);
    text[size] = '\0';
    return text;
}

static void add_field(struct answer_record *record, const struct control_field *field)
{
    record->fields = grown(record->fields, (size_t)(record->count + 1) * sizeof(*record->fields));
    record->fields[record->count++] = (struct answer_field){
        .key = copy(field->key.at, field->key.size),
        .type = field->type,
        .text = copy(field->text, field->size),
        .size = field->size,
        .number = field->number,
    };
}

static void clear_record(struct answer_record *record)
{
    for (int i = 0; i < record->count; i++) {
        free(record->fields[i].key);
        free(record->fields[i].text);
    }
    free(record->fields);
    free(record->kind);
    *record = (struct answer_record){0};
}

static bool read_record(struct slice line, struct answer_record *out)
{
    static struct control_field field; /* large, and copied from at once */
    struct slice kind;
    *out = (struct answer_record){0};
    if (!control_read_kind(&line, &kind))
        return false;
    out->kind = copy(kind.at, kind.size);
    while (control_read_field(&line, &field))
        add_field(out, &field);
    return line.size == 0;
}

static void drop_records(struct answer *answer)
{
    for (int i = 0; i < answer->count; i++)
        clear_record(&answer->records[i]);
    answer->count = 0;
}

static void keep(struct answer *answer, const struct answer_record *record)
{
    if (strcmp(record->kind, "error") == 0) {
        answer->error = *record;
        answer->end = ANSWER_ERROR;
        return;
    }
    answer->records = grown(answer->records, (size_t)(answer->count + 1) * sizeof(*answer->records));
    answer->records[answer->count++] = *record;
    if (answer->take == NULL || answer->count < ANSWER_TAKEN_AT_ONCE)
        return;
    answer->take(answer->context, answer);
    drop_records(answer);
}

bool answer_add(struct answer *answer, struct slice line)
{
    struct answer_record record;
    if (answer->end != ANSWER_CUT || !read_record(line, &record)) {
        if (answer->end == ANSWER_CUT)
            clear_record(&record);
        return false;
    }
    if (strcmp(record.kind, "ok") == 0) {
        answer->end = ANSWER_OK;
        clear_record(&record);
    } else {
        keep(answer, &record);
    }
    return true;
}

const struct answer_field *answer_find(const struct answer_record *record, const char *key)
{
    for (int i = 0; i < record->count; i++)
        if (strcmp(record->fields[i].key, key) == 0)
            return &record->fields[i];
    return NULL;
}

const char *answer_text(const struct answer_record *record, const char *key)
{
    const struct answer_field *field = answer_find(record, key);
    return field != NULL ? field->text : "";
}

void answer_clear(struct answer *answer)
{
    drop_records(answer);
    free(answer->records);
    clear_record(&answer->error);
    *answer = (struct answer){0};
}
