/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/results_oracle.h"

enum { SEEN_MAX = 1024 }; /* of a field: all that counts */

static const char NAME[] = "Authentication-Results";

/* -- one field -- */

struct reader {
    const char *at, *end;
    bool is_cut; /* there is more of it than counts */
    const char *id;
    char word[300]; /* the name so far, as who is most willing to understand it reads it */
    size_t size;
    bool is_interrupted; /* by a blank or comment, since the last octet of it */
};

enum answer { OURS, THEIRS, GO_ON };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_complete(const struct reader *r)
{
    size_t size = strlen(r->id);
    return r->size >= size && memcmp(r->word, r->id, size) == 0;
}

static bool is_behind_dot(const struct reader *r)
{
    return r->size == 0 || r->word[r->size - 1] == '.';
}

static enum answer add(struct reader *r, char c)
{
    size_t size = strlen(r->id);
    r->word[r->size++] = (char)tolower((unsigned char)c);
    r->is_interrupted = false;
    if (r->size <= size)
        return memcmp(r->word, r->id, r->size) == 0 ? GO_ON : THEIRS;
    return r->size == size + 1 && c == '.' ? GO_ON : THEIRS;
}

/* At '('. What does not close hides everything. */
static enum answer read_comment(struct reader *r)
{
    int depth = 0;
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\\') {
            r->at++;
            continue;
        }
        depth += (*r->at == '(') - (*r->at == ')');
        if (depth == 0) {
            r->at++;
            r->is_interrupted = true;
            return GO_ON;
        }
    }
    return OURS;
}

/* Behind '"'. */
static enum answer read_string(struct reader *r)
{
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\')
            r->at++;
        if (r->at == r->end)
            break;
        char c = *r->at++;
        if (!is_space(c) && !iscntrl((unsigned char)c) && add(r, c) == THEIRS)
            return THEIRS;
    }
    if (r->at == r->end)
        return OURS;
    r->at++;
    r->is_interrupted = false;
    return is_complete(r) ? OURS : GO_ON;
}

static enum answer read_one(struct reader *r)
{
    char c = *r->at;
    bool is_word = !is_space(c) && !iscntrl((unsigned char)c) && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
    if (!is_word && is_complete(r))
        return OURS;
    if (c == '(')
        return read_comment(r);
    if (is_word || c == '"') {
        if (r->is_interrupted && c != '.' && !is_behind_dot(r))
            return THEIRS;
        r->at++;
        return is_word ? add(r, c) : read_string(r);
    }
    if (c == '=' && is_behind_dot(r)) {
        if (r->at + 1 == r->end)
            return r->is_cut ? OURS : THEIRS;
        return r->at[1] == '?' ? OURS : THEIRS;
    }
    if (!is_space(c) && !iscntrl((unsigned char)c))
        return THEIRS;
    r->is_interrupted |= is_space(c);
    r->at++;
    return GO_ON;
}

static bool is_ours(struct slice field, const char *id)
{
    bool is_cut = field.size >= SEEN_MAX;
    size_t size = is_cut ? SEEN_MAX : field.size, i = sizeof NAME - 1;
    if (field.size < i || strncasecmp(field.at, NAME, i) != 0)
        return false;
    while (i < size && (field.at[i] == ' ' || field.at[i] == '\t'))
        i++;
    if (i == size)
        return is_cut;
    if (field.at[i] != ':')
        return false;
    struct reader r = {.at = field.at + i + 1, .end = field.at + size, .is_cut = is_cut, .id = id};
    while (r.at < r.end) {
        enum answer answer = read_one(&r);
        if (answer != GO_ON)
            return answer == OURS;
    }
    return is_complete(&r) || is_cut;
}

/* -- the header -- */

static struct slice take_line(struct slice *rest)
{
    const char *lf = rest->size > 0 ? memchr(rest->at, '\n', rest->size) : NULL;
    struct slice line = slice_make(rest->at, lf != NULL ? (size_t)(lf - rest->at) + 1 : rest->size);
    slice_drop(rest, line.size);
    return line;
}

static bool is_folded(struct slice line)
{
    return line.size > 0 && (*line.at == ' ' || *line.at == '\t');
}

static size_t name_size(struct slice line)
{
    size_t size = 0;
    while (size < line.size && line.at[size] > ' ' && line.at[size] != ':')
        size++;
    return size;
}

/* As who is most willing reads it, with an empty name, too. Or it could become one: the message ends in its name. */
static bool is_field(struct slice line)
{
    size_t i = name_size(line);
    while (i < line.size && (line.at[i] == ' ' || line.at[i] == '\t'))
        i++;
    return i == line.size || line.at[i] == ':';
}

static bool is_of_mailbox(struct slice line)
{
    while (line.size > 0 && *line.at == '>')
        slice_drop(&line, 1);
    return line.size >= 5 && (memcmp(line.at, "From ", 5) == 0 || memcmp(line.at, "From\t", 5) == 0);
}

static void keep(struct results_answer *out, struct slice octets)
{
    if (octets.size > 0)
        memcpy(out->text + out->size, octets.at, octets.size);
    out->size += octets.size;
}

void results_oracle_ask(struct slice message, const char *id, struct results_answer *out)
{
    struct slice rest = message, next;
    bool has_field = false, is_header = true;
    out->size = out->removed = 0;
    while (rest.size > 0 && is_header) {
        struct slice field = take_line(&rest);
        is_header = is_field(field);
        has_field |= is_header;
        while (is_header && is_folded(rest))
            field.size += take_line(&rest).size;
        bool removed = is_ours(field, id);
        out->removed += removed;
        if (!removed)
            keep(out, field);
        is_header |= !has_field && is_of_mailbox(field);
    }
    next = rest;
    keep(out, next);
}
