/* SPDX-License-Identifier: ISC */
#include <jansson.h>
#include <stdlib.h>

#include "daemon/ctl/json.h"

static json_t *string_of(const struct answer_field *field)
{
    json_t *as_it_is = json_stringn(field->text, field->size);
    if (as_it_is != NULL)
        return as_it_is;
    for (size_t i = 0; i < field->size; i++) /* no UTF-8 */
        if ((unsigned char)field->text[i] > 126)
            field->text[i] = '?';
    return json_stringn(field->text, field->size);
}

static json_t *value_of(const struct answer_field *field)
{
    switch (field->type) {
    case CONTROL_IS_NUMBER:
        return json_integer(field->number);
    case CONTROL_IS_FLAG:
        return json_boolean(field->number != 0);
    case CONTROL_IS_TEXT:
        break;
    }
    return string_of(field);
}

static json_t *object_of(const struct answer_record *record, bool with_kind)
{
    json_t *object = json_object();
    if (with_kind)
        json_object_set_new(object, "kind", json_string(record->kind));
    for (int i = 0; i < record->count; i++)
        json_object_set_new(object, record->fields[i].key, value_of(&record->fields[i]));
    return object;
}

/* The document takes all of it over. NULL: there was no error. */
static bool print(FILE *to, enum control_verb verb, bool ok, json_t *records, json_t *error)
{
    json_t *document = json_object();
    json_object_set_new(document, "verb", json_string(control_verbs[verb].name));
    json_object_set_new(document, "ok", json_boolean(ok));
    json_object_set_new(document, "records", records);
    if (error != NULL)
        json_object_set_new(document, "error", error);
    bool written = json_dumpf(document, to, JSON_INDENT(2)) == 0 && fputc('\n', to) != EOF;
    json_decref(document);
    return written;
}

bool json_print(FILE *to, enum control_verb verb, const struct answer *answer)
{
    json_t *records = json_array();
    for (int i = 0; i < answer->count; i++)
        json_array_append_new(records, object_of(&answer->records[i], true));
    return print(to, verb, answer->end == ANSWER_OK, records,
                 answer->end == ANSWER_ERROR ? object_of(&answer->error, false) : NULL);
}

static json_t *object_of_unheard(const char *why)
{
    json_t *error = json_object();
    json_object_set_new(error, "why", json_string(why));
    return error;
}

bool json_print_unheard(FILE *to, enum control_verb verb, const char *why)
{
    return print(to, verb, false, json_array(), object_of_unheard(why));
}

/* -- in pieces */

static void print_object(FILE *to, json_t *object)
{
    json_dumpf(object, to, 0);
    json_decref(object);
}

void json_begin_pieces(struct json_pieces *pieces, FILE *to, enum control_verb verb)
{
    *pieces = (struct json_pieces){.to = to};
    fprintf(to, "{\n  \"verb\": \"%s\",\n  \"records\": [", control_verbs[verb].name);
}

void json_print_piece(struct json_pieces *pieces, const struct answer *answer)
{
    for (int i = 0; i < answer->count; i++) {
        fputs(pieces->count++ > 0 ? ",\n    " : "\n    ", pieces->to);
        print_object(pieces->to, object_of(&answer->records[i], true));
    }
}

bool json_end_pieces(struct json_pieces *pieces, const struct answer *answer, const char *unheard)
{
    bool ok = unheard == NULL && answer->end == ANSWER_OK;
    fprintf(pieces->to, "%s],\n  \"ok\": %s", pieces->count > 0 ? "\n  " : "", ok ? "true" : "false");
    if (!ok) {
        fputs(",\n  \"error\": ", pieces->to);
        print_object(pieces->to, unheard != NULL ? object_of_unheard(unheard) : object_of(&answer->error, false));
    }
    fputs("\n}\n", pieces->to);
    return ferror(pieces->to) == 0;
}
