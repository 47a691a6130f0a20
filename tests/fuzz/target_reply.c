/* SPDX-License-Identifier: ISC
 *
 * The reader of inside's replies, translate, and the printer. Cut differently into reads it is the same (lines come
 * whole from the stream, so: whatever comes before it). What is read stays within its bounds, has no control character,
 * and is printed as a reply of which every line is well-formed, ends with CRLF and has at most 512 octets; read again
 * it says the same words. Translated it is of the same code, and never without an enhanced code where one belongs.
 */
#include <ctype.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "workers/smtp/reply.h"
#include "workers/translate.h"

/* Line by line, as inside_hear does. False: no reply. */
static bool read(struct reply_reader *reader, struct slice input, struct reply *out)
{
    reply_reader_begin(reader);
    while (input.size > 0) {
        const char *lf = memchr(input.at, '\n', input.size);
        if (lf == NULL)
            return false;
        enum reply_progress progress = reply_reader_line(reader, law_take(&input, (size_t)(lf - input.at) + 1), out);
        law(reader->line_count <= REPLY_LINES_MAX && reader->size <= REPLY_TEXT_MAX, "a reply beyond its bounds");
        if (progress != REPLY_MORE)
            return progress == REPLY_DONE;
    }
    return false;
}

static void check_value(const struct reply *reply)
{
    law(reply->code >= 200 && reply->code <= 599, "a code of %d", reply->code);
    law(strlen(reply->enhanced) < ENHANCED_MAX, "a long enhanced code");
    law(reply->enhanced[0] == '\0' || (reply->enhanced[0] == '0' + reply->code / 100 && reply->code / 100 != 3),
        "an enhanced code of another class");
    for (size_t i = 0; i < reply->text.size; i++)
        law(reply->text.at[i] == '\n' || !iscntrl((unsigned char)reply->text.at[i]), "a control character");
}

static void check_lines(struct slice printed, const struct reply *reply)
{
    law(printed.size >= 2 && printed.at[printed.size - 1] == '\n', "no line");
    while (printed.size > 0) {
        const char *lf = memchr(printed.at, '\n', printed.size);
        struct slice line = law_take(&printed, (size_t)(lf - printed.at) + 1);
        law(line.size >= 6 && line.at[line.size - 2] == '\r' && (line.size <= 512 || reply->code == 334), "a bad line");
        law(law_is_clean(slice_make(line.at, line.size - 2)), "a control character in a printed reply");
        int code = (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + line.at[2] - '0';
        law(code == reply->code && line.at[3] == (printed.size == 0 ? ' ' : '-'), "a bad line: %.*s", SLICE_ARGS(line));
    }
}

/* All that is not blank. */
static size_t words_of(struct slice text, char *to)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] != ' ' && text.at[i] != '\n')
            to[size++] = text.at[i];
    return size;
}

static void check_printed(const struct reply *reply)
{
    static char memory[65536], before[REPLY_TEXT_MAX], after[REPLY_TEXT_MAX];
    static struct reply_reader reader;
    struct buffer printed;
    struct reply again;
    buffer_init(&printed, memory, sizeof memory);
    law(reply_print(&printed, reply), "a reply that is not printed");
    check_lines(buffer_unread(&printed), reply);
    if (buffer_unread(&printed).size > REPLY_TEXT_MAX || reply->code == 334)
        return; /* more than one reads */
    if (!read(&reader, buffer_unread(&printed), &again))
        return; /* more lines than one reads, since long ones were folded */
    law(again.code == reply->code && strcmp(again.enhanced, reply->enhanced) == 0, "another reply");
    size_t size = words_of(reply->text, before);
    law(words_of(again.text, after) == size && memcmp(before, after, size) == 0, "other words");
}

/* A first line whose text looks like an enhanced code is no longer told from one once it is printed with one. */
static bool begins_like_code(struct slice text)
{
    return text.size > 0 && isdigit((unsigned char)text.at[0]);
}

FUZZ
{
    static struct reply_reader reader;
    struct reply reply;
    if (!read(&reader, input, &reply))
        return;
    check_value(&reply);
    struct reply outside = translate(&reply);
    law(outside.code == reply.code && law_same(outside.text, reply.text), "translated to something else");
    law((outside.enhanced[0] != '\0') == (reply.enhanced[0] != '\0' || reply.code / 100 != 3), "no enhanced code");
    check_value(&outside);
    if (!begins_like_code(reply.text) && memchr(reply.text.at, '\n', reply.text.size) == NULL)
        check_printed(&reply);
    if (memchr(reply.text.at, '.', reply.text.size) == NULL)
        check_printed(&outside);
    static char memory[65536];
    struct buffer printed;
    buffer_init(&printed, memory, sizeof memory);
    law(reply_print(&printed, &outside), "a reply that is not printed");
    check_lines(buffer_unread(&printed), &outside);
}
