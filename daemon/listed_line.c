/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "common/control.h"

#include "daemon/listed_line.h"

enum { MOMENT_MAX = 32, MS_PER_S = 1000 };

#define MOMENT_FORMAT "%Y-%m-%dT%H:%M:%SZ"

static const char *const VERBS[] = {[LISTED_BLOCKED] = "block", [LISTED_ALLOWED] = "allow"};

const char *listed_as_name(enum listed_as as)
{
    return as == LISTED_BLOCKED ? "blocked" : as == LISTED_ALLOWED ? "allowed" : "";
}

struct fault {
    const char *why, *try;
};

static bool refuse(struct fault *fault, const char *why, const char *try)
{
    *fault = (struct fault){why, try};
    return false;
}

/* -- a moment */

static void print_moment(int64_t seconds, char text[MOMENT_MAX])
{
    time_t at = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&at, &tm) == NULL || strftime(text, MOMENT_MAX, MOMENT_FORMAT, &tm) == 0)
        text[0] = '\0';
}

/* What is printed back as it was written: strptime takes blanks, short numbers and the 30th of February. */
static bool parse_moment(struct slice word, int64_t *seconds_out)
{
    char text[MOMENT_MAX], again[MOMENT_MAX];
    struct tm tm = {0};
    if (word.size >= sizeof(text))
        return false;
    memcpy(text, word.at, word.size);
    text[word.size] = '\0';
    const char *end = strptime(text, MOMENT_FORMAT, &tm);
    if (end == NULL || *end != '\0')
        return false;
    *seconds_out = timegm(&tm);
    print_moment(*seconds_out, again);
    return *seconds_out > 0 && strcmp(text, again) == 0;
}

/* -- the words behind the network */

static bool take_for(struct slice word, time_t now, struct listed_line *out, struct fault *fault)
{
    int64_t ms;
    if (!control_parse_duration(word, CONTROL_LISTED_MAX_MS, &ms))
        return refuse(fault, "that is no time from 1s to 3650d", "30m, 2h or 30d");
    out->entry.until_s = now + ms / MS_PER_S;
    return true;
}

static bool take_until(struct slice word, struct listed_line *out, struct fault *fault)
{
    return parse_moment(word, &out->entry.until_s) ||
           refuse(fault, "that is no moment in UTC", "until 2026-12-01T00:00:00Z");
}

static bool take_reason(struct slice words, struct listed_line *out, struct fault *fault)
{
    words = slice_trim(words);
    if (words.size == 0)
        return refuse(fault, "the reason is missing", "reason an open proxy");
    if (words.size >= sizeof(out->reason))
        return refuse(fault, "the reason is longer than 95 characters", NULL);
    memcpy(out->reason, words.at, words.size);
    return true;
}

/* `now` 0: in a file, where nobody knows since when. */
static bool take_rest(struct slice words, time_t now, struct listed_line *out, struct fault *fault)
{
    struct slice word = slice_take_word(&words);
    if (slice_equal(word, slice_of("for"))) {
        if (now == 0)
            return refuse(fault, "`for` has no begin in a file: write until and the moment", NULL);
        if (!take_for(slice_take_word(&words), now, out, fault))
            return false;
        word = slice_take_word(&words);
    } else if (slice_equal(word, slice_of("until"))) {
        if (!take_until(slice_take_word(&words), out, fault))
            return false;
        word = slice_take_word(&words);
    }
    if (word.size == 0)
        return true;
    return slice_equal(word, slice_of("reason")) ? take_reason(words, out, fault)
                                                 : refuse(fault, "neither for, until nor reason stands there",
                                                          "192.0.2.0/24 for 2h reason an open proxy");
}

static bool parse(struct slice words, enum listed_as as, time_t now, struct listed_line *out, struct fault *fault)
{
    *out = (struct listed_line){.entry.as = as};
    if (!network_parse(slice_take_word(&words), &out->entry.network))
        return refuse(fault, "that is no address and no network", "192.0.2.7, 192.0.2.0/24 or 2001:db8::/32");
    return take_rest(words, now, out, fault);
}

bool listed_line_parse(struct slice words, enum listed_as as, time_t now, struct listed_line *out, const char **why_out,
                       const char **try_out)
{
    struct fault fault = {0};
    bool good = parse(words, as, now, out, &fault) &&
                (out->entry.until_s == 0 || out->entry.until_s > now || refuse(&fault, "that is over already", NULL));
    *why_out = fault.why;
    *try_out = fault.try;
    return good;
}

/* -- a line of the file */

static bool is_printable(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if ((line.at[i] < ' ' && line.at[i] != '\t') || line.at[i] > '~')
            return false;
    return true;
}

static enum listed_as as_of(struct slice verb)
{
    for (int as = LISTED_BLOCKED; as <= LISTED_ALLOWED; as++)
        if (slice_equal(verb, slice_of(VERBS[as])))
            return (enum listed_as)as;
    return LISTED_NOT;
}

enum listed_line_kind listed_line_read(struct slice line, struct listed_line *out, const char **why_out)
{
    struct fault fault = {0};
    line = slice_trim(line);
    *why_out = NULL;
    if (line.size == 0 || *line.at == '#')
        return LISTED_LINE_EMPTY;
    enum listed_as as = as_of(slice_take_word(&line));
    if (!is_printable(line))
        refuse(&fault, "it is not printable ASCII", NULL);
    else if (as == LISTED_NOT)
        refuse(&fault, "it begins with neither block nor allow", NULL);
    else if (parse(line, as, 0, out, &fault))
        return LISTED_LINE_GOOD;
    *why_out = fault.why;
    return LISTED_LINE_BAD;
}

void listed_line_print(struct buffer *to, const struct listed_entry *entry, const char *reason)
{
    char text[NETWORK_TEXT_MAX], moment[MOMENT_MAX];
    network_print(&entry->network, text);
    buffer_print(to, "%s %s", VERBS[entry->as], text);
    if (entry->until_s != 0) {
        print_moment(entry->until_s, moment);
        buffer_print(to, " until %s", moment);
    }
    if (reason[0] != '\0')
        buffer_print(to, " reason %s", reason);
}
