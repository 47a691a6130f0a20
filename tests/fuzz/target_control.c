/* SPDX-License-Identifier: ISC
 *
 * The language of posternctl. A request that is taken is of the table, with as many arguments as it may have, all of
 * them printable words of the line. A record made of any octets is one line of printable ASCII, and is read again as it
 * was put together. Whatever else is read as a record ends, and stays within its bounds.
 */
#include <string.h>

#include "common/control.h"
#include "tests/fuzz/target.h"

static void check_request(struct slice line)
{
    struct control_request request;
    const char *why = NULL;
    bool configured;
    enum level level;
    int64_t ms;
    if (!control_parse(line, &request, &why)) {
        law(why != NULL, "refused, and not why");
        return;
    }
    const struct control_row *row = &control_verbs[request.verb];
    law(request.verb < CONTROL_VERBS && request.count >= row->arguments_least && request.count <= row->arguments_most,
        "%d arguments to %s", request.count, row->name);
    law(law_is_clean(line) && line.size < CONTROL_LINE_MAX, "a control character in a request");
    for (int i = 0; i < request.count; i++) {
        const struct slice word = request.arguments[i];
        const bool rest = row->free_end && i == row->arguments_most - 1;
        law(rest || memchr(word.at, ' ', word.size) == NULL, "a blank in a word");
        law(word.size > 0 && word.at >= line.at && word.at + word.size <= line.at + line.size, "no word of the line");
        control_parse_level(word, &configured, &level);
        if (control_parse_duration(word, CONTROL_TRACE_MAX_MS, &ms))
            law(ms > 0 && ms <= CONTROL_TRACE_MAX_MS, "a duration of %lld", (long long)ms);
        if (control_parse_duration(word, CONTROL_LISTED_MAX_MS, &ms))
            law(ms > 0 && ms <= CONTROL_LISTED_MAX_MS, "a duration of %lld", (long long)ms);
    }
}

static void check_read(struct slice line)
{
    static struct control_field field;
    struct slice kind;
    if (!control_read_kind(&line, &kind))
        return;
    for (size_t left = line.size + 1; control_read_field(&line, &field); left = line.size) {
        law(line.size < left, "reading that gets nowhere");
        law(field.size < sizeof field.text && field.text[field.size] == '\0', "a field beyond its bounds");
    }
}

static void expect(struct slice *line, const char *key, enum control_type type, struct control_field *field)
{
    law(control_read_field(line, field) && law_same(field->key, slice_of(key)) && field->type == type,
        "another field than %s", key);
}

static void check_written(struct slice text, int64_t number)
{
    static char memory[CONTROL_RECORD_MAX];
    static struct control_field field;
    struct buffer to;
    struct slice kind;
    buffer_init(&to, memory, sizeof memory);
    control_begin(&to, "thing");
    control_text(&to, "text", text);
    control_number(&to, "number", number);
    control_flag(&to, "flag", (number & 1) != 0);
    control_end(&to);
    struct slice line = buffer_unread(&to);
    law(line.size > 0 && line.at[line.size - 1] == '\n', "a record without end");
    line.size--;
    for (size_t i = 0; i < line.size; i++)
        law(line.at[i] >= ' ' && line.at[i] <= '~', "an odd octet in a record");
    law(control_read_kind(&line, &kind) && law_same(kind, slice_of("thing")), "another kind");
    if (!to.overflow) {
        expect(&line, "text", CONTROL_IS_TEXT, &field);
        law(law_same(slice_make(field.text, field.size), text), "another text");
        expect(&line, "number", CONTROL_IS_NUMBER, &field);
        law(field.number == number, "another number");
        expect(&line, "flag", CONTROL_IS_FLAG, &field);
        law(field.number == (number & 1), "another flag");
    }
}

FUZZ
{
    int64_t number = 0;
    check_request(input);
    check_read(input);
    for (int i = 0; i < 3; i++)
        number = number * 256 + (signed char)law_take_octet(&input);
    check_written(input, number);
}
