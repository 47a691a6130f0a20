/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "daemon/ctl/metrics.h"

enum { MS_PER_S = 1000 };

/* In HELP a quote stands for itself. An octet that is no printable ASCII is said as the log says it, \xC3: two names
 * that differ in nothing else stay two, or their samples would be one given twice, and all of it be refused. */
static void put_escaped(FILE *to, const char *text, size_t size, bool quoted)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '\n')
            fputs("\\n", to);
        else if (c == '\\' || (quoted && c == '"'))
            fprintf(to, "\\%c", c);
        else if (c < ' ' || c > '~')
            fprintf(to, "\\\\x%02X", (unsigned char)c);
        else
            fputc(c, to);
    }
}

static void print_family(FILE *to, const struct answer_record *record)
{
    const char *name = answer_text(record, "name"), *help = answer_text(record, "help");
    fprintf(to, "# HELP %s ", name);
    put_escaped(to, help, strlen(help), false);
    fprintf(to, "\n# TYPE %s %s\n", name, answer_text(record, "type"));
}

static bool is_label(const struct answer_field *field)
{
    return field->type == CONTROL_IS_TEXT && strcmp(field->key, "name") != 0;
}

static void print_labels(FILE *to, const struct answer_record *record)
{
    int printed = 0;
    for (int i = 0; i < record->count; i++) {
        const struct answer_field *field = &record->fields[i];
        if (!is_label(field))
            continue;
        fprintf(to, "%s%s=\"", printed++ == 0 ? "{" : ",", field->key);
        put_escaped(to, field->text, field->size, true);
        fputc('"', to);
    }
    if (printed > 0)
        fputc('}', to);
}

static void print_sample(FILE *to, const struct answer_record *record)
{
    const struct answer_field *value = answer_find(record, "value"), *ms = answer_find(record, "value_ms");
    if (value == NULL && ms == NULL)
        return;
    fputs(answer_text(record, "name"), to);
    print_labels(to, record);
    if (value != NULL)
        fprintf(to, " %" PRId64 "\n", value->number);
    else
        fprintf(to, " %" PRId64 ".%03" PRId64 "\n", ms->number / MS_PER_S, ms->number % MS_PER_S);
}

void metrics_print(FILE *to, const struct answer *answer)
{
    for (int i = 0; i < answer->count; i++) {
        if (strcmp(answer->records[i].kind, "family") == 0)
            print_family(to, &answer->records[i]);
        else if (strcmp(answer->records[i].kind, "sample") == 0)
            print_sample(to, &answer->records[i]);
    }
}
