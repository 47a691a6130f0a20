/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "daemon/ctl/column.h"
#include "daemon/ctl/explanation.h"

enum { INDENT = 2, GAP = 2 };

struct page {
    FILE *to;
    int width;                          /* of the names of checks */
    const char *stage;                  /* whose paragraph this is */
    const char *check;                  /* whose line was printed last in it; "": none was */
    const struct answer_record *client; /* NULL: not there yet */
};

/* -- fields -- */

static void put_text(FILE *to, const struct answer_record *record, const char *key)
{
    char cell[COLUMN_CELL_MAX];
    column_print(cell, record, &(struct column){key, "", AS_IT_IS});
    fputs(cell, to);
}

static bool has(const struct answer_record *record, const char *key)
{
    return answer_text(record, key)[0] != '\0';
}

static bool is(const struct answer_record *record, const char *key, const char *value)
{
    return strcmp(answer_text(record, key), value) == 0;
}

static int64_t number_of(const struct answer_record *record, const char *key)
{
    const struct answer_field *field = answer_find(record, key);
    return field != NULL ? field->number : 0;
}

static void put_time(FILE *to, int64_t ms)
{
    if (ms % 1000 == 0)
        fprintf(to, "%" PRId64 " s", ms / 1000);
    else if (ms < 1000)
        fprintf(to, "%" PRId64 " ms", ms);
    else
        fprintf(to, "%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
}

static void put_points(FILE *to, int64_t points)
{
    fprintf(to, "%" PRId64 " point%s", points, points == 1 || points == -1 ? "" : "s");
}

/* -- the first lines -- */

static void put_standing(FILE *to, const struct answer_record *r)
{
    fputs("  reputation of its network: ", to);
    put_text(to, r, "standing");
    fprintf(to, " (good %" PRId64 ", bad %" PRId64 ")", number_of(r, "good"), number_of(r, "bad"));
    if (has(r, "listed")) {
        fputs("; ", to);
        put_text(to, r, "listed_network");
        fputs(" is ", to);
        put_text(to, r, "listed");
        fputs(has(r, "listed_reason") ? ": " : "", to);
        put_text(to, r, "listed_reason");
    }
    fputc('\n', to);
}

static void put_thresholds(FILE *to, const struct answer_record *r)
{
    int64_t defer_at = number_of(r, "defer_at"), reject_at = number_of(r, "reject_at");
    fputs("  a refusal is said ", to);
    fputs(is(r, "decide", "rcpt") ? "at RCPT" : "at once", to);
    if (defer_at > 0)
        fprintf(to, "; deferred from %" PRId64 " points on", defer_at);
    if (reject_at > 0)
        fprintf(to, "; refused from %" PRId64 " points on", reject_at);
    fputs("; what cannot be found out ", to);
    fputs(is(r, "on_unsure", "defer") ? "defers\n" : "passes\n", to);
}

static void print_client(struct page *page, const struct answer_record *r)
{
    FILE *to = page->to;
    page->client = r;
    put_text(to, r, "client");
    fputs(" at listener ", to);
    put_text(to, r, "listener");
    fputs(", policy ", to);
    put_text(to, r, "policy");
    fputs(", mode ", to);
    put_text(to, r, "mode");
    fputs(number_of(r, "as_if_enforced") != 0 ? ", all as if enforced\n" : "\n", to);
    put_standing(to, r);
    put_thresholds(to, r);
    if (number_of(r, "bypass") != 0)
        fputs("  BYPASS IS ON: what checks find is only watched (posternctl bypass off)\n", to);
    if (has(r, "off")) {
        fputs("  off, and not asked: ", to);
        put_text(to, r, "off");
        fputc('\n', to);
    }
}

static void print_rule(struct page *page, const struct answer_record *r)
{
    fputs("  note: ", page->to);
    put_text(page->to, r, "text");
    fputc('\n', page->to);
}

/* -- lines of a stage -- */

/* "HELO mail.example.com" */
static void put_command(struct page *page, const char *stage)
{
    static const char *const fields[][2] = {{"helo", "helo"}, {"mail", "from"}, {"rcpt", "to"}, {"auth", "login"}};
    for (const char *c = stage; *c != '\0'; c++)
        fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : '?', page->to);
    for (size_t i = 0; page->client != NULL && i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(stage, fields[i][0]) != 0)
            continue;
        fputc(' ', page->to);
        put_text(page->to, page->client, fields[i][1]);
    }
}

static void begin_stage(struct page *page, const struct answer_record *r)
{
    const char *stage = answer_text(r, "stage");
    if (strcmp(page->stage, stage) == 0)
        return;
    page->stage = stage;
    page->check = "";
    fputc('\n', page->to);
    put_command(page, stage);
    fputc('\n', page->to);
}

/* The name of the check stands before the first of its lines. */
static void begin_line(struct page *page, const struct answer_record *r)
{
    const char *check = answer_text(r, "check");
    char cell[COLUMN_CELL_MAX];
    begin_stage(page, r);
    bool again = strcmp(page->check, check) == 0;
    column_print_text(cell, check, again ? 0 : strlen(check));
    page->check = check;
    fprintf(page->to, "%*s%-*s%*s", INDENT, "", page->width, cell, GAP, "");
}

static void print_dns(struct page *page, const struct answer_record *r)
{
    FILE *to = page->to;
    begin_line(page, r);
    fputs("? ", to);
    put_text(to, r, "type");
    fputc(' ', to);
    put_text(to, r, "name");
    fputs(": ", to);
    put_text(to, r, has(r, "answer") ? "answer" : "status");
    fputs(number_of(r, "more") != 0 ? " .." : "", to);
    if (has(r, "took_ms"))
        fprintf(to, "  (%" PRId64 " ms)", number_of(r, "took_ms"));
    fputc('\n', to);
}

static void print_note(struct page *page, const struct answer_record *r)
{
    begin_line(page, r);
    put_text(page->to, r, "text");
    fputc('\n', page->to);
}

static void put_sized(FILE *to, const struct answer_record *r, const char *key, const char *before, const char *after)
{
    if (number_of(r, key) == 0)
        return;
    fputs(before, to);
    put_time(to, number_of(r, key));
    fputs(after, to);
}

static const char *verb_of(const struct answer_record *r)
{
    static const char *const verbs[][2] = {{"defer", ", defers"},
                                           {"reject", ", refuses"},
                                           {"drop", ", drops"},
                                           {"allow", ", allows: the rest may not refuse"}};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (is(r, "action", verbs[i][0]))
            return verbs[i][1];
    return NULL;
}

/* Everything that a verdict does begins with ", ": the first of them goes. */
static void put_verdict(FILE *to, const struct answer_record *r)
{
    char text[COLUMN_CELL_MAX] = "";
    FILE *all = fmemopen(text, sizeof(text), "w");
    if (all == NULL)
        return;
    if (number_of(r, "unsure") != 0)
        fputs(", cannot find out", all);
    if (number_of(r, "score") != 0) {
        fputs(number_of(r, "score") > 0 ? ", +" : ", ", all);
        put_points(all, number_of(r, "score"));
    }
    put_sized(all, r, "listen_ms", ", waits ", " for who speaks too early");
    put_sized(all, r, "delay_ms", ", holds for ", "");
    put_sized(all, r, "owed_ms", ", holds for ", ", owed to a limit");
    if (number_of(r, "rate_bytes") != 0)
        fprintf(all, ", throttles to %" PRId64 " octets a second", number_of(r, "rate_bytes"));
    if (verb_of(r) != NULL)
        fputs(verb_of(r), all);
    fclose(all);
    fputs(text[0] != '\0' ? text + strlen(", ") : "passes", to);
    if (has(r, "reply")) {
        fputs(": ", to);
        put_text(to, r, "reply");
    }
    if (has(r, "reason")) {
        fputs(" (", to);
        put_text(to, r, "reason");
        fputc(')', to);
    }
}

static void print_check(struct page *page, const struct answer_record *r)
{
    begin_line(page, r);
    if (!is(r, "regard", "counts")) {
        fputc('[', page->to);
        put_text(page->to, r, "regard");
        fputs("] ", page->to);
    }
    put_verdict(page->to, r);
    fputc('\n', page->to);
}

static void print_part(struct page *page, const struct answer_record *r)
{
    begin_line(page, r);
    fputs("[watched] ", page->to);
    put_verdict(page->to, r);
    fputc('\n', page->to);
}

static void put_refusal(FILE *to, const struct answer_record *r)
{
    put_text(to, r, "reply");
    if (has(r, "reason")) {
        fputs(" (", to);
        put_text(to, r, "reason");
        fputc(')', to);
    }
}

static void print_stage(struct page *page, const struct answer_record *r)
{
    FILE *to = page->to;
    begin_stage(page, r);
    fprintf(to, "%*s=> ", INDENT, "");
    put_points(to, number_of(r, "total_score"));
    if (number_of(r, "watched_score") != 0)
        fprintf(to, " (%" PRId64 " more are only watched)", number_of(r, "watched_score"));
    put_sized(to, r, "held_ms", "; held for ", "");
    fputs("; ", to);
    if (is(r, "action", "pass"))
        fputs("goes on", to);
    else
        fputs(number_of(r, "waits") != 0 ? "refused, which is said at RCPT: " : "hears ", to);
    if (has(r, "reply"))
        put_refusal(to, r);
    fputc('\n', to);
}

/* -- the end -- */

static const char *result_of(const struct answer_record *r)
{
    static const char *const results[][2] = {
        {"accepted", "no check refuses this: what is left is the message itself, and the server inside"},
        {"open", "no check refuses so far"},
        {"deferred", "deferred at "},
        {"refused", "refused at "},
    };
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        if (is(r, "result", results[i][0]))
            return results[i][1];
    return "";
}

static void print_outcome(struct page *page, const struct answer_record *r)
{
    FILE *to = page->to;
    fprintf(to, "\nOUTCOME\n%*s%s", INDENT, "", result_of(r));
    put_text(to, r, "at");
    fputs(number_of(r, "unless_exempt") != 0 ? ", but for recipients that are exempt\n" : "\n", to);
    if (has(r, "reply")) {
        fprintf(to, "%*s", INDENT, "");
        put_refusal(to, r);
        fputs(number_of(r, "hangs_up") != 0 ? ", and the connection is closed\n" : "\n", to);
    }
    fprintf(to, "%*s", INDENT, "");
    put_points(to, number_of(r, "total_score"));
    put_sized(to, r, "held_ms", "; held for ", " altogether");
    fputc('\n', to);
}

/* -- all of it -- */

static const struct kind {
    const char *name;
    void (*print)(struct page *page, const struct answer_record *record);
} KINDS[] = {
    {"explained", print_client}, {"rule", print_rule}, {"dns", print_dns},     {"note", print_note},
    {"check", print_check},      {"part", print_part}, {"stage", print_stage}, {"outcome", print_outcome},
};

static void print_record(struct page *page, const struct answer_record *record)
{
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
        if (strcmp(KINDS[i].name, record->kind) == 0)
            KINDS[i].print(page, record);
}

void explanation_print(FILE *to, const struct answer *answer)
{
    struct page page = {.to = to, .stage = "", .check = ""};
    for (int i = 0; i < answer->count; i++) {
        size_t size = strlen(answer_text(&answer->records[i], "check"));
        page.width = size > (size_t)page.width ? (int)size : page.width;
    }
    for (int i = 0; i < answer->count; i++)
        print_record(&page, &answer->records[i]);
}
