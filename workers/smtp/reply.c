/* SPDX-License-Identifier: ISC */
#include "workers/smtp/reply.h"

#include <string.h>

#include "workers/smtp/address.h"

enum { PRINTED_LINE_MAX = 512 }; /* RFC 5321 section 4.5.3.1.5, with CRLF */
enum { CHALLENGE = 334 };        /* one line, however long (RFC 4954 section 4) */

int reply_class(const struct reply *reply)
{
    return reply->code / 100;
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7F;
}

/* ---- printing ---- */

/* Where to end a line of at most `room` octets: before a blank if there is one, and never within a character. */
static size_t find_break(struct slice line, size_t room)
{
    for (size_t i = room; i > 0; i--)
        if (line.at[i] == ' ')
            return i;
    size_t i = room;
    while (i > room - 3 && ((unsigned char)line.at[i] & 0xC0) == 0x80)
        i--;
    return i;
}

static struct slice take_printed_line(struct slice *line, size_t room)
{
    struct slice piece = *line;
    if (piece.size > room)
        piece.size = find_break(piece, room);
    slice_drop(line, piece.size);
    if (line->size > 0 && *line->at == ' ')
        slice_drop(line, 1);
    return piece;
}

/* Not only inside's words come here, and whoever made them: nothing in them ends a line. */
static bool print_text(struct buffer *to, struct slice text)
{
    char *at = to->memory + to->end;
    if (!buffer_put(to, text))
        return false;
    for (size_t i = 0; i < text.size; i++)
        at[i] = is_control(at[i]) ? ' ' : at[i];
    return true;
}

static bool print_line(struct buffer *to, const struct reply *reply, bool is_last, struct slice piece)
{
    bool fits = buffer_put_number(to, (uint64_t)reply->code, 3) && buffer_put_char(to, is_last ? ' ' : '-') &&
                buffer_put_text(to, reply->enhanced);
    if (*reply->enhanced && piece.size > 0)
        fits = fits && buffer_put_char(to, ' ');
    return fits && print_text(to, piece) && buffer_put_text(to, "\r\n");
}

bool reply_print(struct buffer *to, const struct reply *reply)
{
    const size_t prefix_size = strlen("250 \r\n") + strlen(reply->enhanced) + 1, was = to->end;
    const size_t room = reply->code == CHALLENGE ? REPLY_TEXT_MAX : PRINTED_LINE_MAX - prefix_size;
    struct slice text = reply->text;
    bool fits = reply->code >= 200 && reply->code <= 599;
    do {
        struct slice line = slice_take_until(&text, '\n');
        do {
            struct slice piece = take_printed_line(&line, room);
            fits = fits && print_line(to, reply, line.size == 0 && text.size == 0, piece);
        } while (line.size > 0);
    } while (text.size > 0);
    if (!fits)
        to->end = was;
    return fits;
}

/* ---- reading ---- */

void reply_reader_begin(struct reply_reader *reader)
{
    /* Not all of it: the text is 8 KiB, and only what was written is read. */
    reader->code = 0;
    reader->line_count = 0;
    reader->size = 0;
    reader->enhanced[0] = '\0';
}

/* "250" and what ends it, taken off; 0 when it is none. */
static int take_code(struct slice *line, bool *is_last_out)
{
    if (line->size < 3 || line->at[0] < '2' || line->at[0] > '5' || !ascii_is_digit(line->at[1]) ||
        !ascii_is_digit(line->at[2]))
        return 0;
    char mark = line->size > 3 ? line->at[3] : ' ';
    if (mark != ' ' && mark != '-')
        return 0;
    int code = (line->at[0] - '0') * 100 + (line->at[1] - '0') * 10 + (line->at[2] - '0');
    *is_last_out = mark == ' ';
    slice_drop(line, 4);
    return code;
}

/* ".ddd", one to three digits: its octets, or 0. */
static size_t measure_part(struct slice text)
{
    size_t i = 1;
    while (i < text.size && i < 4 && ascii_is_digit(text.at[i]))
        i++;
    return text.size > 0 && *text.at == '.' && i > 1 ? i : 0;
}

/* The enhanced code at the front, or an empty slice; RFC 2034: of the reply's class, and only in 2yz, 4yz and 5yz. */
static struct slice find_enhanced(struct slice text, int code)
{
    static const struct slice none = {"", 0};
    int class = code / 100;
    if (text.size == 0 || class == 3 || *text.at != (char)('0' + class))
        return none;
    struct slice rest = text;
    slice_drop(&rest, 1);
    size_t subject = measure_part(rest);
    slice_drop(&rest, subject);
    size_t detail = measure_part(rest);
    slice_drop(&rest, detail);
    if (subject == 0 || detail == 0 || (rest.size > 0 && *rest.at != ' '))
        return none;
    return slice_make(text.at, 1 + subject + detail);
}

/* Off the first line into the reader, off the others where they say the same; another one there is text. */
static void take_enhanced(struct reply_reader *reader, struct slice *text)
{
    struct slice found = find_enhanced(*text, reader->code);
    if (reader->line_count == 0) {
        memcpy(reader->enhanced, found.at, found.size);
        reader->enhanced[found.size] = '\0';
    }
    if (found.size > 0 && slice_equal(found, slice_of(reader->enhanced)))
        slice_drop(text, found.size + 1);
}

static bool keep_text(struct reply_reader *reader, struct slice text)
{
    bool has_separator = reader->line_count > 0, is_utf8 = utf8_is_valid(text);
    if (text.size + has_separator > REPLY_TEXT_MAX - reader->size)
        return false;
    char *to = reader->text + reader->size;
    reader->size += text.size + has_separator;
    if (has_separator)
        *to++ = '\n';
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        *to++ = is_control(c) ? ' ' : (unsigned char)c >= 0x80 && !is_utf8 ? '?' : c;
    }
    return true;
}

static bool is_blank_or_cr(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The line end, and whatever blanks and CRs stand before it. */
static bool take_line_end(struct slice *line)
{
    if (line->size == 0 || line->size > REPLY_LINE_MAX || line->at[line->size - 1] != '\n')
        return false;
    line->size--;
    while (line->size > 0 && is_blank_or_cr(line->at[line->size - 1]))
        line->size--;
    return true;
}

enum reply_progress reply_reader_line(struct reply_reader *reader, struct slice line, struct reply *reply_out)
{
    bool is_last;
    if (reader->line_count == REPLY_LINES_MAX || !take_line_end(&line))
        return REPLY_BAD;
    int code = take_code(&line, &is_last);
    if (code == 0 || (reader->line_count > 0 && code != reader->code))
        return REPLY_BAD;
    reader->code = code;
    take_enhanced(reader, &line);
    if (!keep_text(reader, line))
        return REPLY_BAD;
    reader->line_count++;
    if (!is_last)
        return REPLY_MORE;
    *reply_out = (struct reply){.code = code, .text = slice_make(reader->text, reader->size)};
    memcpy(reply_out->enhanced, reader->enhanced, sizeof reply_out->enhanced);
    return REPLY_DONE;
}
