/* SPDX-License-Identifier: ISC
 *
 * The evaluation of SPF as a whole: what is counted over all records, what ends it, what DNS is asked and what is told
 * of that. The meaning of records is the suite's business (tests/e2e/test_spf.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/fake_dns.h"
#include "workers/spf/spf.h"

enum { ALLOWED_MS = 10000, LINES_MAX = 30 };

static struct lookups lookups;
static struct wait waits;
static struct dns *dns;

static int set_up(void **state)
{
    (void)state;
    fake_dns_clear();
    lookups.silences = 0;
    dns = dns_new(NULL, &waits);
    lookups_begin_session(&lookups, dns, NULL, ALLOWED_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lookups_end_session(&lookups);
    dns_free(&dns);
    fake_dns_clear();
    return 0;
}

static void ignore(enum level level, const char *line)
{
    (void)level, (void)line;
}

static void begin_anew(void)
{
    tear_down(NULL);
    set_up(NULL);
}

static void say(const char *line)
{
    const char *why;
    if (!fake_dns_add(slice_of(line), &why))
        fail_msg("%s: %s", line, why);
}

static struct spf_question question_of(const char *client, const char *sender)
{
    struct spf_question question = {
        .sender = slice_of(sender), .helo = slice_of("helo.test"), .hostname = "mx.test", .scope = LOOKUP_TRANSACTION};
    assert_true(ipaddr_parse(slice_of(client), &question.client));
    return question;
}

static const struct {
    const char *client, *sender;
    enum spf_result result;
    const char *why; /* begins so */
    int questions;
    const char *lines[LINES_MAX];
} checks[] = {
    /* clang-format off */
    { "192.0.2.7", "a@b.test", SPF_NONE, "b.test has no SPF record", 1, { NULL } },
    { "192.0.2.7", "a@b.test", SPF_NONE, "b.test has no SPF record", 1, { "b.test TXT hello", "b.test TXT v=spf10 -all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "b.test has two", 1, { "b.test TXT v=spf1 -all", "b.test TXT v=spf1 +all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "an unknown mechanism, in b.test: moo", 1, { "b.test TXT v=spf1 moo -all" } },
    { "192.0.2.7", "a@b.test", SPF_PASS, "ip4:192.0.2.0/28", 1, { "b.test TXT v=spf1 ip4:192.0.2.0/28 -all" } },
    { "192.0.2.7", "a@b.test", SPF_NEUTRAL, "no term of b.test", 1, { "b.test TXT v=spf1" } },
    /* no identity that could have a record */
    { "192.0.2.7", "a@[192.0.2.7]", SPF_NONE, "no domain", 0, { NULL } },
    { "192.0.2.7", "a@localhost", SPF_NONE, "no domain", 0, { NULL } },
    { "192.0.2.7", "a@b\xc3\xa9.test", SPF_NONE, "no domain", 0, { NULL } },
    { "192.0.2.7", "\"a@c.test\"@b.test.", SPF_FAIL, "-all", 1, { "b.test TXT v=spf1 -all" } },
    { "192.0.2.7", "", SPF_SOFTFAIL, "~all", 1, { "helo.test TXT v=spf1 ~all" } },
    /* nobody passes for where it comes from */
    { "127.0.0.1", "a@b.test", SPF_FAIL, "-all", 1, { "b.test TXT v=spf1 -all" } },
    { "::1", "a@b.test", SPF_FAIL, "-all", 1, { "b.test TXT v=spf1 -all" } },
    /* no answer */
    { "192.0.2.7", "a@b.test", SPF_TEMPERROR, "b.test TXT: no answer", 1, { "b.test TXT fails" } },
    { "192.0.2.7", "a@b.test", SPF_TEMPERROR, "b.test TXT: no answer in time", 1, { "b.test TXT silent" } },
    { "192.0.2.7", "a@b.test", SPF_TEMPERROR, "c.test TXT: no answer", 2, { "b.test TXT v=spf1 include:c.test -all", "c.test TXT fails" } },
    { "192.0.2.7", "a@b.test", SPF_TEMPERROR, "c.test A: no answer", 2, { "b.test TXT v=spf1 a:c.test +all", "c.test A fails" } },
    { "192.0.2.7", "a@b.test", SPF_TEMPERROR, "c.test A: no answer", 3, { "b.test TXT v=spf1 mx +all", "b.test MX 1 c.test", "c.test A fails" } },
    { "2001:db8::7", "a@b.test", SPF_TEMPERROR, "b.test AAAA: no answer", 2, { "b.test TXT v=spf1 a +all", "b.test AAAA fails" } },
    /* .. but of ptr: no match, unless it was our time that was over */
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 2, { "b.test TXT v=spf1 ptr -all", "7.2.0.192.in-addr.arpa PTR fails" } },
    { "192.0.2.7", "a@b.test", SPF_TEMPERROR, "7.2.0.192.in-addr.arpa PTR: no answer in time", 2, { "b.test TXT v=spf1 ptr -all", "7.2.0.192.in-addr.arpa PTR silent" } },
    { "192.0.2.7", "a@b.test", SPF_PASS, "ptr", 4, { "b.test TXT v=spf1 ptr -all", "7.2.0.192.in-addr.arpa PTR x.test", "7.2.0.192.in-addr.arpa PTR c.b.test", "x.test A fails", "c.b.test A 192.0.2.7" } },
    { "192.0.2.7", "a@b.test", SPF_PASS, "ptr", 3, { "b.test TXT v=spf1 ptr -all", "7.2.0.192.in-addr.arpa PTR b.test", "b.test A 192.0.2.7" } },
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 3, { "b.test TXT v=spf1 ptr -all", "7.2.0.192.in-addr.arpa PTR xb.test", "xb.test A 192.0.2.7" } },
    /* counted over all records: 10 that ask, and 2 in vain */
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 3, { "b.test TXT v=spf1 a a a a a include:c.test -all", "b.test A 192.0.2.9", "c.test TXT v=spf1 a:b.test a:b.test a:b.test a:b.test ?all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "more than 10 terms", 3, { "b.test TXT v=spf1 a a a a a include:c.test a -all", "b.test A 192.0.2.9", "c.test TXT v=spf1 a:b.test a:b.test a:b.test a:b.test ?all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "more than 10 terms", 3, { "b.test TXT v=spf1 a a a a a redirect=c.test", "b.test A 192.0.2.9", "c.test TXT v=spf1 a:b.test a:b.test a:b.test a:b.test a:b.test -all" } },
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 3, { "b.test TXT v=spf1 a:x.test a:y.test -all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "more than 2 terms", 5, { "b.test TXT v=spf1 a:x.test include:c.test a:y.test a:b.test -all", "c.test TXT v=spf1 exists:z.test -all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "more than 2 terms", 4, { "b.test TXT v=spf1 mx ptr a -all", "b.test MX nodata" } },
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 5, { "b.test TXT v=spf1 mx -all", "b.test MX 1 c.test", "b.test MX 2 d.test", "b.test MX 3 e.test" } },
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 2, { "b.test TXT v=spf1 mx -all", "b.test MX 0 ." } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "b.test has more than 10 MX", 2, { "b.test TXT v=spf1 mx -all", "b.test MX 1 a.test", "b.test MX 1 b.test", "b.test MX 1 c.test", "b.test MX 1 d.test", "b.test MX 1 e.test", "b.test MX 1 f.test", "b.test MX 1 g.test", "b.test MX 1 h.test", "b.test MX 1 i.test", "b.test MX 1 j.test", "b.test MX 1 k.test" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "c.test has no SPF record", 2, { "b.test TXT v=spf1 include:c.test -all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "c.test has no SPF record", 2, { "b.test TXT v=spf1 redirect=c.test" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "", 1, { "b.test TXT v=spf1 include:b.test -all" } },
    { "192.0.2.7", "a@b.test", SPF_PERMERROR, "more than 10 terms", 2, { "b.test TXT v=spf1 include:c.test -all", "c.test TXT v=spf1 include:b.test -all" } },
    /* a prefix of no bits: any address will do, but there has to be one */
    { "192.0.2.7", "a@b.test", SPF_PASS, "a:", 2, { "b.test TXT v=spf1 a/0 -all", "b.test A 203.0.113.1" } },
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 2, { "b.test TXT v=spf1 a/0 -all", "b.test AAAA 2001:db8::1" } },
    { "2001:db8::7", "a@b.test", SPF_PASS, "mx:", 3, { "b.test TXT v=spf1 mx//0 -all", "b.test MX 1 c.test", "c.test AAAA 2001:db9::1" } },
    /* the client's name, for who asks for it */
    { "192.0.2.7", "a@b.test", SPF_PASS, "exists:%{p}.b.test", 4, { "b.test TXT v=spf1 exists:%{p}.b.test -all", "7.2.0.192.in-addr.arpa PTR c.test", "c.test A 192.0.2.7", "c.test.b.test A 127.0.0.2" } },
    { "192.0.2.7", "a@b.test", SPF_PASS, "exists:%{p}.b.test", 4, { "b.test TXT v=spf1 exists:%{p}.b.test -all", "7.2.0.192.in-addr.arpa PTR c.test", "c.test A 192.0.2.8", "unknown.b.test A 127.0.0.2" } },
    { "192.0.2.7", "a@b.test", SPF_PASS, "include:c.test", 4, { "b.test TXT v=spf1 include:c.test -all", "c.test TXT v=spf1 exists:%{p}.b.test", "unknown.b.test A 127.0.0.2" } },
    /* names that nobody can have are not asked for, and match nothing */
    { "192.0.2.7", "\xc3\xa9@b.test", SPF_FAIL, "-all", 1, { "b.test TXT v=spf1 exists:%{l}.b.test -all" } },
    { "192.0.2.7", "a\\b@b.test", SPF_FAIL, "-all", 1, { "b.test TXT v=spf1 exists:%{l}.b.test -all" } },
    { "192.0.2.7", "\"a b\"@b.test", SPF_FAIL, "-all", 2, { "b.test TXT v=spf1 exists:%{l}.b.test -all" } },
    { "192.0.2.7", "a..b@b.test", SPF_FAIL, "-all", 1, { "b.test TXT v=spf1 exists:%{l}.b.test -all" } },
    { "192.0.2.7", "a@b.test", SPF_FAIL, "-all", 1, { "b.test TXT v=spf1 exists:c..test -all" } },
    { "192.0.2.7", "bounce+c=d@b.test", SPF_PASS, "exists:%{l1r+=}.b.test", 2, { "b.test TXT v=spf1 exists:%{l1r+=}.b.test -all", "bounce.b.test A 127.0.0.2" } },
    /* clang-format on */
};

static void each_ends_as_it_should(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        begin_anew();
        for (int line = 0; checks[i].lines[line] != NULL; line++)
            say(checks[i].lines[line]);
        struct spf_question question = question_of(checks[i].client, checks[i].sender);
        struct spf_answer answer = spf_check(&question, &lookups, NULL, NULL);
        if (answer.result != checks[i].result || strncmp(answer.why, checks[i].why, strlen(checks[i].why)) != 0 ||
            fake_dns_asked() != checks[i].questions)
            fail_msg("%s, %s: %s (%s), %d questions; wanted %s (%s), %d", checks[i].sender,
                     checks[i].lines[0] != NULL ? checks[i].lines[0] : "nothing", spf_result_name(answer.result),
                     answer.why, fake_dns_asked(), spf_result_name(checks[i].result), checks[i].why,
                     checks[i].questions);
    }
}

static void what_was_asked_before_is_not_asked_again(void **unused)
{
    (void)unused;
    say("b.test TXT v=spf1 -all after 3s");
    struct spf_question question = question_of("192.0.2.7", "a@B.Test");
    spf_ask(&question, &lookups);
    assert_int_equal(fake_dns_asked(), 1);
    assert_int_equal(spf_check(&question, &lookups, NULL, NULL).result, SPF_FAIL);
    assert_int_equal(spf_check(&question, &lookups, NULL, NULL).result, SPF_FAIL);
    assert_int_equal(fake_dns_asked(), 1);
}

static void a_name_that_is_known_is_not_looked_for(void **unused)
{
    (void)unused;
    say("b.test TXT v=spf1 exists:%{p2}.b.test -all");
    say("c.test.b.test A 127.0.0.2");
    struct spf_question question = question_of("192.0.2.7", "a@b.test");
    question.client_name = "x.c.test";
    assert_int_equal(spf_check(&question, &lookups, NULL, NULL).result, SPF_PASS);
    assert_int_equal(fake_dns_asked(), 2);
}

/* Labels on the left go, until it is short enough (RFC 7208 section 7.3). */
static void a_name_that_is_too_long_loses_its_beginning(void **unused)
{
    (void)unused;
    char line[400];
    struct buffer to;
    buffer_init(&to, line, sizeof line);
    for (int i = 0; i < 24; i++) /* 246 octets of 276 */
        buffer_put_text(&to, "abcdefghi.");
    buffer_put_text(&to, "b.test A 127.0.0.2");
    buffer_put_char(&to, '\0');
    say(line);
    say("b.test TXT v=spf1 exists:%{l}.%{l}.%{l}.%{d} -all");
    struct spf_question question =
        question_of("192.0.2.7", "abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi."
                                 "abcdefghi.abcdefghi.abcdefghi@b.test");
    assert_int_equal(spf_check(&question, &lookups, NULL, NULL).result, SPF_PASS);
}

struct told {
    int count;
    char text[SPF_TOLD_MAX + 1][200];
};

static void take(void *context, const char *text)
{
    struct told *told = context;
    assert_true(told->count < SPF_TOLD_MAX);
    snprintf(told->text[told->count++], sizeof(told->text[0]), "%s", text);
}

static void questions_and_answers_are_told(void **unused)
{
    (void)unused;
    struct told told = {0};
    say("b.test TXT hello");
    say("b.test TXT v=spf1 a mx exists:c.test -all");
    say("b.test A 192.0.2.8");
    say("b.test A 192.0.2.9");
    say("b.test MX 5 d.test");
    say("d.test A nodata");
    struct spf_question question = question_of("192.0.2.7", "a@b.test");
    assert_int_equal(spf_check(&question, &lookups, take, &told).result, SPF_FAIL);
    assert_int_equal(told.count, 5);
    assert_string_equal(told.text[0], "b.test TXT: v=spf1 a mx exists:c.test -all");
    assert_string_equal(told.text[1], "b.test A: 192.0.2.8, 192.0.2.9");
    assert_string_equal(told.text[2], "b.test MX: d.test");
    assert_string_equal(told.text[3], "d.test A: no data");
    assert_string_equal(told.text[4], "c.test A: no such name");
}

/* Ten terms with ten names each, as the RFC allows: so many are told of. They are the same ten, which are asked once.
 */
static void not_too_many_are_told(void **unused)
{
    (void)unused;
    struct told told = {0};
    say("b.test TXT v=spf1 mx mx mx mx mx mx mx mx mx mx -all");
    for (int i = 0; i < 10; i++) {
        char line[60];
        snprintf(line, sizeof line, "b.test MX %d m%d.test", i, i);
        say(line);
    }
    struct spf_question question = question_of("192.0.2.7", "a@b.test");
    assert_int_equal(spf_check(&question, &lookups, take, &told).result, SPF_FAIL);
    assert_int_equal(told.count, SPF_TOLD_MAX);
    assert_int_equal(fake_dns_asked(), 1 + 1 + 10);
}

extern void (*SPF_error_handler)(const char *file, int line, const char *text); /* libspf2's */

/* What libspf2 does without memory, or where it is lost: the process ends as the master knows it, and no word of it is
 * on stderr. */
static void where_libspf2_gives_up_the_process_ends(void **unused)
{
    (void)unused;
    struct spf_question question = question_of("192.0.2.7", "a@b.test");
    int ends[2], status;
    char said[8];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        log_to_function(ignore);
        spf_check(&question, &lookups, NULL, NULL);
        SPF_error_handler("file", 1, "out of memory");
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], said, sizeof said), 0);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), WORKER_SHORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_ends_as_it_should, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_asked_before_is_not_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_known_is_not_looked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_too_long_loses_its_beginning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(questions_and_answers_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_too_many_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_libspf2_gives_up_the_process_ends, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
