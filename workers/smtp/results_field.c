/* SPDX-License-Identifier: ISC */
#include "workers/smtp/results_field.h"

static const struct slice NAME = SLICE("Authentication-Results");

bool results_field_may_begin(struct slice begin)
{
    if (begin.size > NAME.size)
        begin.size = NAME.size;
    return slice_equal_nocase(begin, slice_make(NAME.at, begin.size));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7F;
}

/* RFC 2045's tspecials are none; an octet of UTF-8 is. */
static bool is_token(char c)
{
    return !is_control(c) && c != ' ' && memchr("()<>@,;:\\\"/[]?=", c, 15) == NULL;
}

static bool is_whole(const struct results_field *field, struct slice id)
{
    return field->matched == id.size;
}

/* Nothing but what goes on with the id may stand behind a blank or comment in the middle of it. */
static bool may_go_on(const struct results_field *field, struct slice id)
{
    return field->matched == 0 || id.at[field->matched - 1] == '.';
}

static enum results_owner compare(struct results_field *field, struct slice id, char c)
{
    if (!is_whole(field, id) && ascii_lower(c) == ascii_lower(id.at[field->matched])) {
        field->matched++;
        return RESULTS_UNDECIDED;
    }
    if (!is_whole(field, id) || c != '.' || field->dotted)
        return RESULTS_FOREIGN;
    field->dotted = true;
    return RESULTS_UNDECIDED;
}

static enum results_owner feed_name(struct results_field *field, char c)
{
    if (field->state == RESULTS_NAME && field->matched < NAME.size)
        return ascii_lower(c) == ascii_lower(NAME.at[field->matched++]) ? RESULTS_UNDECIDED : RESULTS_FOREIGN;
    field->state = RESULTS_NAME_BLANK; /* RFC 5322 section 4.5 knows of these */
    if (c == ' ' || c == '\t')
        return RESULTS_UNDECIDED;
    field->state = RESULTS_BETWEEN;
    field->matched = 0;
    return c == ':' ? RESULTS_UNDECIDED : RESULTS_FOREIGN;
}

/* An octet that no word has: does it end the id? */
static enum results_owner feed_other(struct results_field *field, struct slice id, char c)
{
    if (is_whole(field, id))
        return RESULTS_OURS;
    if (is_blank(c)) {
        field->state = RESULTS_BETWEEN;
        return RESULTS_UNDECIDED;
    }
    if (is_control(c)) /* who drops it reads on */
        return RESULTS_UNDECIDED;
    if (c == '(') {
        field->state = RESULTS_COMMENT;
        field->depth = 1;
        return RESULTS_UNDECIDED;
    }
    if (c != '=' || !may_go_on(field, id))
        return RESULTS_FOREIGN;
    field->state = RESULTS_EQUALS;
    return RESULTS_UNDECIDED;
}

static enum results_owner feed_word(struct results_field *field, struct slice id, char c)
{
    bool is_behind = field->state == RESULTS_BETWEEN;
    if (c != '"' && !is_token(c))
        return feed_other(field, id, c);
    if (is_behind && c != '.' && !may_go_on(field, id))
        return RESULTS_FOREIGN;
    field->state = c == '"' ? RESULTS_QUOTED : RESULTS_WORD;
    if (c != '"')
        return compare(field, id, c);
    return is_whole(field, id) ? RESULTS_OURS : RESULTS_UNDECIDED;
}

static enum results_owner feed_quoted(struct results_field *field, struct slice id, char c)
{
    bool is_pair = field->state == RESULTS_QUOTED_PAIR;
    field->state = RESULTS_QUOTED;
    if (is_blank(c) || is_control(c))
        return RESULTS_UNDECIDED;
    if (is_pair || (c != '"' && c != '\\'))
        return compare(field, id, c);
    field->state = c == '"' ? RESULTS_WORD : RESULTS_QUOTED_PAIR;
    return c == '"' && is_whole(field, id) ? RESULTS_OURS : RESULTS_UNDECIDED;
}

static void feed_comment(struct results_field *field, char c)
{
    bool is_pair = field->state == RESULTS_COMMENT_PAIR;
    field->state = !is_pair && c == '\\' ? RESULTS_COMMENT_PAIR : RESULTS_COMMENT;
    if (is_pair)
        return;
    field->depth += c == '(';
    field->depth -= c == ')';
    if (field->depth == 0)
        field->state = RESULTS_BETWEEN;
}

static enum results_owner feed(struct results_field *field, struct slice id, char c)
{
    switch (field->state) {
    case RESULTS_NAME:
    case RESULTS_NAME_BLANK:
        return feed_name(field, c);
    case RESULTS_BETWEEN:
    case RESULTS_WORD:
        return feed_word(field, id, c);
    case RESULTS_QUOTED:
    case RESULTS_QUOTED_PAIR:
        return feed_quoted(field, id, c);
    case RESULTS_COMMENT:
    case RESULTS_COMMENT_PAIR:
        feed_comment(field, c);
        return RESULTS_UNDECIDED;
    case RESULTS_EQUALS:
        return c == '?' ? RESULTS_OURS : RESULTS_FOREIGN;
    }
    return RESULTS_FOREIGN;
}

enum results_owner results_field_feed(struct results_field *field, struct slice id, char c)
{
    enum results_owner owner = feed(field, id, c);
    field->size++;
    return owner == RESULTS_UNDECIDED && field->size == RESULTS_FIELD_MAX ? RESULTS_OURS : owner;
}

enum results_owner results_field_end(const struct results_field *field, struct slice id)
{
    switch (field->state) {
    case RESULTS_NAME:
    case RESULTS_NAME_BLANK:
    case RESULTS_EQUALS:
        return RESULTS_FOREIGN;
    case RESULTS_BETWEEN:
    case RESULTS_WORD:
        return is_whole(field, id) ? RESULTS_OURS : RESULTS_FOREIGN;
    case RESULTS_QUOTED:
    case RESULTS_QUOTED_PAIR:
    case RESULTS_COMMENT:
    case RESULTS_COMMENT_PAIR:
        return RESULTS_OURS;
    }
    return RESULTS_FOREIGN;
}
