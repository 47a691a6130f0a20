/* SPDX-License-Identifier: ISC
 *
 * scripted_check - two checks that say what a test wants, beside all real ones and the template, in place of
 * workers/checks/table.
 *
 * policy { scripted { says = { "connect reject", "mail score=3 if=spam", "rcpt allow if=friend" } } }: a stage, then
 * defer, reject, drop, allow, score=N, delay=MS, rate=OCTETS; with if=WORD only where the name of HELO, the sender, or
 * at RCPT the recipient has this word in it. `scripted_law` is the same and holds for everyone.
 */
#include <stddef.h>
#include <stdio.h>

/* The rows of the real table are this one's, too. */
#define check_table real_table
#include "workers/checks/table.c"
#undef check_table

#include "common/must.h"
#include "workers/session.h"

enum { WORD_BYTES = 160 };

struct scripted_options {
    struct check_options common;
    struct text_list says;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct scripted_options, common.mode), "enforce", MODE_CHOICES, NULL},
    {"says", OPTION_TEXTS, offsetof(struct scripted_options, says), NULL, NULL, NULL},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {.name = "scripted", .size = sizeof(struct scripted_options), .groups = groups};
static const struct block law = {.name = "scripted_law", .size = sizeof(struct scripted_options), .groups = groups};

/* Overwritten with each verdict: nobody may rely on it any longer. */
struct words {
    char reply[80], reason[80];
};

static bool has_word(const struct check_call *call, enum stage stage, const char *word)
{
    const struct session *s = call->session;
    const struct path *path = stage == STAGE_RCPT ? call->recipient : &s->transaction.sender;
    if (stage <= STAGE_HELO)
        return strstr(s->name, word) != NULL;
    return memmem(path->local.at, path->local.size, word, strlen(word)) != NULL;
}

static void refuse(struct check_call *call, enum stage stage, enum action action, struct verdict *verdict)
{
    struct words *words = call->session_memory;
    const char *what = action_name(action);
    if (action <= verdict->action)
        return;
    snprintf(words->reply, sizeof(words->reply), "Scripted %s at %s", what, stage_name(stage));
    snprintf(words->reason, sizeof(words->reason), "scripted %s at %s", what, stage_name(stage));
    verdict->action = action;
    verdict->reply = (struct reply){action == ACTION_DEFER ? 450 : 550, "", slice_of(words->reply)};
    snprintf(verdict->reply.enhanced, ENHANCED_MAX, action == ACTION_DEFER ? "4.7.9" : "5.7.9");
    verdict->reason = words->reason;
}

/* "score=3": 3 behind "score=", 0 where the word is another one. */
static int number_behind(const char *name, const char *word)
{
    uint64_t number = 0;
    size_t size = strlen(name);
    if (strncmp(word, name, size) == 0)
        must(slice_to_number(slice_of(word + size), &number));
    return (int)number;
}

/* What stands behind "result=", '_' for each blank. */
static void leave_result(struct check_call *call, const char *word)
{
    char text[WORD_BYTES];
    snprintf(text, sizeof(text), "%s", word);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '_')
            *at = ' ';
    must(result_add(call->results, "%s", text));
}

static void say_word(struct check_call *call, enum stage stage, const char *word, struct verdict *verdict)
{
    for (enum action action = ACTION_DEFER; action <= ACTION_DROP; action++)
        if (strcmp(word, action_name(action)) == 0)
            refuse(call, stage, action, verdict);
    if (strcmp(word, "allow") == 0)
        verdict->allow = true;
    if (strncmp(word, "result=", 7) == 0)
        leave_result(call, word + 7);
    verdict->score += number_behind("score=", word);
    verdict->delay_ms += number_behind("delay=", word);
    verdict->rate_bytes += (uint32_t)number_behind("rate=", word);
}

static void say_item(struct check_call *call, enum stage stage, const char *item, struct verdict *verdict)
{
    char words[4][WORD_BYTES] = {"", "", "", ""};
    int count = sscanf(item, "%159s %159s %159s %159s", words[0], words[1], words[2], words[3]);
    if (strcmp(words[0], stage_name(stage)) != 0)
        return;
    for (int i = 1; i < count; i++)
        if (strncmp(words[i], "if=", 3) == 0 && !has_word(call, stage, words[i] + 3))
            return;
    for (int i = 1; i < count; i++)
        say_word(call, stage, words[i], verdict);
}

static struct verdict judge(struct check_call *call, enum stage stage)
{
    const struct scripted_options *options = call->options;
    struct words *words = call->session_memory;
    struct verdict verdict = VERDICT_NONE;
    memset(words, '#', sizeof(*words) - 1);
    for (size_t i = 0; i < options->says.count; i++)
        say_item(call, stage, options->says.items[i], &verdict);
    return verdict;
}

#define JUDGE(name, stage)                                                                                             \
    static struct verdict name(struct check_call *call)                                                                \
    {                                                                                                                  \
        return judge(call, stage);                                                                                     \
    }
JUDGE(judge_connect, STAGE_CONNECT)
JUDGE(judge_greeting, STAGE_GREETING)
JUDGE(judge_helo, STAGE_HELO)
JUDGE(judge_mail, STAGE_MAIL)
JUDGE(judge_rcpt, STAGE_RCPT)
JUDGE(judge_data, STAGE_DATA)
JUDGE(judge_header, STAGE_HEADER)
JUDGE(judge_message, STAGE_MESSAGE)

/* clang-format off */
#define JUDGES {[STAGE_CONNECT] = judge_connect, [STAGE_GREETING] = judge_greeting, [STAGE_HELO] = judge_helo, \
                [STAGE_MAIL] = judge_mail, [STAGE_RCPT] = judge_rcpt, [STAGE_DATA] = judge_data, \
                [STAGE_HEADER] = judge_header, [STAGE_MESSAGE] = judge_message}
/* clang-format on */
extern const struct check check_template;
static const struct check check_scripted = {
    .name = "scripted", .options = &block, .session_bytes = sizeof(struct words), .judge = JUDGES};
static const struct check check_scripted_law = {.name = "scripted_law",
                                                .binds = BINDS_EVERYONE,
                                                .options = &law,
                                                .session_bytes = sizeof(struct words),
                                                .judge = JUDGES};

const struct check *const check_table[] = {CHECKS(ROW_OF) ROW_OF(template) ROW_OF(scripted) ROW_OF(scripted_law) NULL};
