/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/talk/script.h"
#include "tests/talk/secure.h"
#include "tests/talk/setting.h"

enum { STEPS_MAX = 200000 };

struct reader {
    struct script *script;
    int line;
    bool in_part;
    size_t repeat_from;   /* first step of the open `repeat` */
    int64_t repeat_count; /* 0: none open */
    char *why;
    size_t why_size;
};

static bool parse_file(struct reader *r, const char *path);

static bool mistake(struct reader *r, const char *text, struct slice culprit)
{
    snprintf(r->why, r->why_size, "%s:%d: %s: %.*s", r->script->path, r->line, text, SLICE_ARGS(culprit));
    return false;
}

static char *copy(struct slice text)
{
    char *memory = malloc(text.size + 1);
    if (!memory)
        abort();
    memcpy(memory, text.at, text.size);
    memory[text.size] = '\0';
    return memory;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, ascii_lower(c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* What stands behind a backslash, taken off *rest. -1: no escape. */
static int take_escape(struct slice *rest)
{
    static const char names[] = "rnt0\\*~", values[] = "\r\n\t\0\\*~";
    if (rest->size == 0)
        return -1;
    char c = rest->at[0];
    slice_drop(rest, 1);
    if (c == 'x' && rest->size >= 2 && hex_digit(rest->at[0]) >= 0 && hex_digit(rest->at[1]) >= 0) {
        int value = hex_digit(rest->at[0]) * 16 + hex_digit(rest->at[1]);
        slice_drop(rest, 2);
        return value;
    }
    const char *name = strchr(names, c);
    return name && c ? (unsigned char)values[name - names] : -1;
}

static bool unescape(struct reader *r, struct slice text, struct step *step)
{
    struct slice rest = text;
    step->text = copy(text);
    step->size = 0;
    while (rest.size > 0) {
        int c = (unsigned char)rest.at[0];
        slice_drop(&rest, 1);
        if (c == '\\')
            c = take_escape(&rest);
        if (c < 0)
            return mistake(r, "unknown escape in", text);
        step->text[step->size++] = (char)c;
    }
    step->text[step->size] = '\0';
    return true;
}

static struct step *add_step(struct reader *r, enum step_kind kind, enum side side, struct slice source)
{
    struct script *script = r->script;
    if ((script->step_count & (script->step_count - 1)) == 0) {
        size_t room = script->step_count ? script->step_count * 2 : 1;
        script->steps = realloc(script->steps, room * sizeof *script->steps);
        if (!script->steps)
            abort();
    }
    struct step *step = &script->steps[script->step_count++];
    *step = (struct step){.kind = kind, .side = side, .line = r->line, .source = copy(source)};
    return step;
}

static bool add_text(struct reader *r, enum step_kind kind, enum side side, struct slice text, struct slice source)
{
    return unescape(r, text, add_step(r, kind, side, source));
}

static bool add_say(struct reader *r, enum side side, struct slice text, bool raw, bool joined, struct slice source)
{
    if (!add_text(r, STEP_SAY, side, text, source))
        return false;
    struct step *step = &r->script->steps[r->script->step_count - 1];
    step->joined = joined;
    if (raw)
        return true;
    step->text = realloc(step->text, step->size + 3);
    if (!step->text)
        abort();
    memcpy(step->text + step->size, "\r\n", 3);
    step->size += 2;
    return true;
}

/* "250-text" continues a reply that is told line by line; the step ends with the line that has no '-'. */
static bool continues(const struct step *step)
{
    if (step->kind != STEP_REPLY || step->match != MATCH_LINES)
        return false;
    const char *last = strrchr(step->text, '\n');
    last = last ? last + 1 : step->text;
    return strlen(last) > 3 && last[3] == '-';
}

static bool append_line(struct step *to, struct step *line)
{
    char *joined = malloc(to->size + line->size + 2);
    if (!joined)
        abort();
    to->size = (size_t)snprintf(joined, to->size + line->size + 2, "%s\n%s", to->text, line->text);
    free(to->text);
    to->text = joined;
    return true;
}

static bool add_reply(struct reader *r, struct slice text, struct slice source)
{
    struct script *script = r->script;
    if (!add_text(r, STEP_REPLY, SIDE_OUTSIDE, text, source))
        return false;
    struct step *step = &script->steps[script->step_count - 1];
    if (step->size < 3)
        return mistake(r, "a reply's code is missing", source);
    if (step->size > 3 && step->text[3] == '-')
        step->match = MATCH_LINES;
    if (script->step_count < 2 || !continues(step - 1))
        return true;
    append_line(step - 1, step);
    free(step->text);
    free(step->source);
    script->step_count--;
    return true;
}

static bool add_line(struct reader *r, struct slice text, struct slice source)
{
    enum match match = MATCH_EXACT;
    if (text.size > 0 && text.at[0] == '~') {
        struct step *step = add_step(r, STEP_LINE, SIDE_INSIDE, source);
        regex_t compiled;
        slice_drop(&text, 1);
        step->text = copy(text);
        step->size = text.size;
        step->match = MATCH_REGEX;
        if (regcomp(&compiled, step->text, REG_EXTENDED | REG_NOSUB) != 0)
            return mistake(r, "no regular expression", source);
        regfree(&compiled);
        return true;
    }
    if (text.size > 0 && text.at[text.size - 1] == '*' && (text.size < 2 || text.at[text.size - 2] != '\\')) {
        text.size--;
        match = MATCH_PREFIX;
    }
    if (!add_text(r, STEP_LINE, SIDE_INSIDE, text, source))
        return false;
    r->script->steps[r->script->step_count - 1].match = match;
    return true;
}

static bool parse_time(struct slice text, int64_t *ms_out)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    size_t digits = 0;
    uint64_t number;
    while (digits < text.size && ascii_is_digit(text.at[digits]))
        digits++;
    if (!slice_to_number(slice_make(text.at, digits), &number) || number > 1000000)
        return false;
    slice_drop(&text, digits);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        *ms_out = (int64_t)number * units[i].ms;
        if (slice_equal(text, slice_of(units[i].name)))
            return true;
    }
    return false;
}

/* What may stand behind a deed. */
enum argument { TAKES_NOTHING, TAKES_SERVER, TAKES_TEXT, TAKES_COUNT, TAKES_TLS };

static const struct deed {
    const char *name;
    enum step_kind kind;
    bool outside, inside;
    enum argument argument;
    bool joins; /* "O+": the next step follows at once */
} deeds[] = {
    /* clang-format off */
    {"nothing",         STEP_NOTHING,      true,  true},
    {"connect",         STEP_CONNECT,      true,  false, TAKES_TEXT},
    {"connect",         STEP_CONNECT,      false, true,  TAKES_SERVER},
    {"close",           STEP_CLOSE,        true,  true},
    {"half-close",      STEP_HALF_CLOSE,   true,  true},
    {"reset",           STEP_RESET,        true,  true},
    {"closed",          STEP_CLOSED,       true,  true},
    {"eof-without-dot", STEP_BROKEN_OFF,   false, true},
    {"leaves",          STEP_LEAVES,       false, true},
    {"deaf",            STEP_DEAF,         true,  true},
    {"listen",          STEP_LISTEN,       true,  true},
    {"field",           STEP_FIELD,        false, true,  TAKES_TEXT},
    {"tls",             STEP_TLS,          true,  true,  TAKES_TLS},
    {"tls-fails",       STEP_TLS_FAILS,    true,  true,  TAKES_TLS},
    {"tls-begins",      STEP_TLS_BEGINS,   true,  false, TAKES_COUNT},
    {"tls-finishes",    STEP_TLS_FINISHES, true,  false},
    {"trickle",         STEP_TRICKLE,      true,  false, TAKES_COUNT},
    {"client-hello",    STEP_CLIENT_HELLO, false, true},
    {"no-tls",          STEP_NO_TLS,       true,  true},
    {"close-notify",    STEP_CLOSE_NOTIFY, true,  true,  .joins = true},
    {"clear",           STEP_CLEAR,        true,  true,  TAKES_TEXT, .joins = true},
    {"tls-closed",      STEP_TLS_CLOSED,   true,  true},
    /* clang-format on */
};

static bool add_numbered(struct reader *r, const struct deed *deed, enum side side, struct slice rest,
                         struct slice source)
{
    uint64_t number = deed->argument == TAKES_SERVER;
    if (rest.size > 0 && (deed->argument == TAKES_NOTHING || !slice_to_number(rest, &number)))
        return mistake(r, "too much", source);
    if (deed->argument == TAKES_SERVER && (number < 1 || number > (uint64_t)r->script->server_count))
        return mistake(r, "no such server", source);
    add_step(r, deed->kind, side, source)->number = (int64_t)number;
    return true;
}

static bool add_tls(struct reader *r, const struct deed *deed, enum side side, struct slice rest, struct slice source)
{
    struct secure_options options;
    if (!secure_parse(rest, side == SIDE_INSIDE, &options))
        return mistake(r, "not understood behind tls", rest);
    return add_text(r, deed->kind, side, rest, source);
}

static bool add_deed(struct reader *r, enum side side, struct slice rest, bool joined, struct slice source)
{
    struct slice word = slice_take_word(&rest);
    rest = slice_trim(rest);
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        const struct deed *deed = &deeds[i];
        bool good;
        if (!slice_equal(word, slice_of(deed->name)) || !(side == SIDE_OUTSIDE ? deed->outside : deed->inside))
            continue;
        if (joined && !deed->joins)
            break;
        if (deed->argument == TAKES_TLS)
            good = add_tls(r, deed, side, rest, source);
        else if (deed->argument == TAKES_TEXT)
            good = add_text(r, deed->kind, side, rest, source);
        else
            good = add_numbered(r, deed, side, rest, source);
        if (good)
            r->script->steps[r->script->step_count - 1].joined = joined;
        return good;
    }
    return mistake(r, "unknown step", source);
}

static bool parse_side(struct reader *r, enum side side, struct slice line)
{
    struct slice rest = slice_make(line.at + 1, line.size - 1), mark = rest;
    mark.size = 0;
    while (mark.size < rest.size && mark.size < 2 && (rest.at[mark.size] == '<' || rest.at[mark.size] == '>'))
        mark.size++;
    slice_drop(&rest, mark.size);
    bool joined = rest.size > 0 && rest.at[0] == '+';
    slice_drop(&rest, joined);
    if (rest.size > 0 && rest.at[0] == ' ')
        slice_drop(&rest, 1);
    else if (rest.size > 0)
        return mistake(r, "a blank is missing after the mark", line);
    bool says = mark.size > 0 && mark.at[0] == (side == SIDE_OUTSIDE ? '>' : '<');
    bool raw = mark.size == 2;
    if ((raw && mark.at[0] != mark.at[1]) || (joined && !says && mark.size > 0))
        return mistake(r, "unknown mark", line);
    if (mark.size == 0)
        return add_deed(r, side, rest, joined, line);
    if (says)
        return add_say(r, side, rest, raw, joined, line);
    if (raw)
        return add_text(r, STEP_OCTETS, side, rest, line);
    return side == SIDE_OUTSIDE ? add_reply(r, rest, line) : add_line(r, rest, line);
}

static bool repeat_begin(struct reader *r, struct slice rest, struct slice source)
{
    uint64_t count;
    if (r->repeat_count > 0 || !slice_to_number(slice_trim(rest), &count) || count < 1 || count > 100000)
        return mistake(r, "repeat wants a number, and none open", source);
    r->repeat_count = (int64_t)count;
    r->repeat_from = r->script->step_count;
    return true;
}

static bool repeat_end(struct reader *r, struct slice rest, struct slice source)
{
    (void)rest;
    size_t to = r->script->step_count;
    if (r->repeat_count == 0)
        return mistake(r, "done without repeat", source);
    if ((to - r->repeat_from) * (size_t)r->repeat_count > STEPS_MAX)
        return mistake(r, "repeats too much", source);
    for (int64_t i = 1; i < r->repeat_count; i++)
        for (size_t k = r->repeat_from; k < to; k++) {
            struct step *step = add_step(r, STEP_END, SIDE_NONE, slice_make("", 0));
            char *source_copy = step->source;
            *step = r->script->steps[k];
            free(source_copy);
            step->source = copy(slice_of(r->script->steps[k].source));
            if (step->text)
                step->text = copy(slice_make(r->script->steps[k].text, step->size));
        }
    r->repeat_count = 0;
    return true;
}

static bool time_passes(struct reader *r, struct slice rest, struct slice source)
{
    int64_t ms;
    if (!parse_time(slice_trim(rest), &ms))
        return mistake(r, "a time is a number and ms, s, m or h", source);
    add_step(r, STEP_TIME, SIDE_NONE, source)->number = ms;
    return true;
}

static bool house(struct reader *r, enum step_kind kind, struct slice rest, struct slice source)
{
    uint64_t count;
    if (!slice_to_number(slice_trim(rest), &count) || count > HOUSE_WORKERS || (kind == STEP_BUSY && count == 0))
        return mistake(r, "there are 5 workers, and the session's own is busy", source);
    add_step(r, kind, SIDE_NONE, source)->number = (int64_t)count;
    return true;
}

/* The steps of NAME.part beside the talk, as if they stood here; all of them count as this line. */
static bool use_part(struct reader *r, struct slice rest, struct slice source)
{
    const char *slash = strrchr(r->script->path, '/');
    int directory = slash ? (int)(slash - r->script->path) : 0;
    char path[1024];
    snprintf(path, sizeof path, "%.*s%s%.*s.part", directory, r->script->path, slash ? "/" : "", SLICE_ARGS(rest));
    if (r->in_part)
        return mistake(r, "a part in a part", source);
    r->in_part = true;
    bool good = parse_file(r, path);
    r->in_part = false;
    return good;
}

static bool end(struct reader *r, struct slice rest, struct slice source)
{
    if (rest.size > 0)
        return mistake(r, "nothing stands behind end", source);
    return add_step(r, STEP_END, SIDE_NONE, source) != NULL;
}

struct word {
    const char *word;
    bool (*take)(struct reader *r, struct slice rest, struct slice source);
};
static const struct word words[] = {
    {"use", use_part}, {"repeat", repeat_begin}, {"done", repeat_end}, {"end", end}, {"@", time_passes},
};

/* Those with a number or a text, and nothing of their own. */
struct step_word {
    const char *word;
    enum step_kind kind;
};
static const struct step_word houses[] = {
    {"busy", STEP_BUSY}, {"beside", STEP_BESIDE}, {"taken", STEP_TAKEN}, {"waiting", STEP_WAITING},
    {"held", STEP_HELD}, {"ask", STEP_ASK},       {"asked", STEP_ASKED},
};
static const struct step_word logs[] = {{"L:", STEP_LOG}, {"L>:", STEP_LATE_LOG}, {"!L:", STEP_NO_LOG}};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct step_word *find_word(const struct step_word *all, size_t count, struct slice word)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(word, slice_of(all[i].word)))
            return &all[i];
    return NULL;
}

static bool parse_word(struct reader *r, struct slice line)
{
    struct slice rest = line;
    struct slice word = slice_take_word(&rest);
    rest = slice_trim(rest);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_equal(word, slice_of(words[i].word)))
            return words[i].take(r, rest, line);
    const struct step_word *of_house = find_word(houses, COUNT_OF(houses), word);
    if (of_house != NULL)
        return house(r, of_house->kind, rest, line);
    const struct step_word *of_log = find_word(logs, COUNT_OF(logs), word);
    if (of_log != NULL)
        return add_text(r, of_log->kind, SIDE_NONE, rest, line);
    const char *wrong = setting_take(r->script, word, rest);
    return wrong == NULL || mistake(r, wrong, line);
}

static bool parse_line(struct reader *r, struct slice line)
{
    if (slice_trim(line).size == 0)
        return true;
    if (line.at[0] == '#') {
        if (!r->script->title)
            r->script->title = copy(slice_trim(slice_make(line.at + 1, line.size - 1)));
        return true;
    }
    bool marked = line.size == 1 || strchr("<>+ ", line.at[1]);
    if (line.at[0] == 'O' && marked)
        return parse_side(r, SIDE_OUTSIDE, line);
    if (line.at[0] == 'I' && marked)
        return parse_side(r, SIDE_INSIDE, line);
    return parse_word(r, line);
}

static bool check_whole(struct reader *r)
{
    struct script *script = r->script;
    if (!script->title)
        return mistake(r, "no comment that says what it proves", slice_of("# .."));
    if (r->repeat_count > 0)
        return mistake(r, "repeat without done", slice_of("at the end"));
    for (size_t i = 0; i < script->step_count; i++) {
        r->line = script->steps[i].line;
        if (continues(&script->steps[i]))
            return mistake(r, "the reply's last line (a blank after its code) is missing",
                           slice_of(script->steps[i].source));
    }
    return true;
}

static bool parse_file(struct reader *r, const char *path)
{
    char line[16384];
    bool good = true;
    FILE *file = fopen(path, "re");
    if (!file)
        return mistake(r, strerror(errno), slice_of(path));
    while (good && fgets(line, sizeof line, file)) {
        r->line += !r->in_part;
        good = parse_line(r, slice_make(line, strcspn(line, "\n")));
    }
    fclose(file);
    return good;
}

bool script_load(const char *path, struct script *out, char *why, size_t why_size)
{
    struct reader r = {.script = out, .why = why, .why_size = why_size};
    *out = (struct script){.path = path, .server_count = 1};
    return parse_file(&r, path) && check_whole(&r);
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->step_count; i++) {
        free(script->steps[i].text);
        free(script->steps[i].source);
    }
    free(script->steps);
    free(script->title);
    setting_free(script);
}

static bool wants_certificates(const struct step *step)
{
    return step->kind == STEP_TLS || step->kind == STEP_TLS_FAILS || step->kind == STEP_TLS_BEGINS;
}

bool script_needs_certificates(const struct script *script)
{
    for (size_t i = 0; i < script->setting_count; i++)
        if (strchr(script->settings[i], '$'))
            return true;
    for (size_t i = 0; i < script->step_count; i++)
        if (wants_certificates(&script->steps[i]))
            return true;
    return false;
}

const char *script_client(const struct script *script)
{
    return script->client ? script->client : "192.0.2.1:1025";
}
