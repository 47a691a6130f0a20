/* SPDX-License-Identifier: ISC
 *
 * Access lists: what may be written in postern.conf and in files, each error with its place, which entry counts, and
 * what is shared when only some files have changed. */
#include <sys/stat.h>

#include "tests/lib/root_block.h"
#include "tests/unit/config_fixture.h"
#include "workers/access/access_lists.h"
#include "workers/consequence.h"
#include "workers/prepared.h"
#include "workers/smtp/address.h"

#define REST                                                                                                           \
    "\nlistener mx { backend = b policy = p }\nbackend b { server s { address = 127.0.0.1:1 } pass_client = xclient "  \
    "}\n"

static char directory[256];
static struct config *config;
static const struct policy *policy;
static struct prepared *prepared;
static uint64_t marks[8]; /* what the files are, as the test says */
static int marked;

/* @/ is this directory. */
static void put_directory(const char *text, char *to, size_t room)
{
    size_t size = 0;
    assert_non_null(getcwd(directory, sizeof(directory)));
    for (; *text != '\0' && size < room; text++) {
        bool is_mark = text[0] == '@' && text[1] == '/';
        size += (size_t)(is_mark ? snprintf(to + size, room - size, "%s", directory)
                                 : snprintf(to + size, room - size, "%c", *text));
    }
    assert_true(size < room);
    to[size] = '\0';
}

/* The text stands in access { } of policy p { }, on its second line. */
static char *file_of(const char *text)
{
    static char file[16384];
    char inner[12288];
    put_directory(text, inner, sizeof(inner));
    snprintf(file, sizeof(file), "policy p { access {\n%s } }%s", inner, REST);
    return file;
}

#define FILE_TOO ", or file:/etc/postern/friends"
#define NETWORKS                                                                                                       \
    "192.0.2.1, 192.0.2.0/24, 2001:db8::/32, with no bit set behind the prefix, mail.example.org, .example.org for "   \
    "all below it"
#define HELOS      "mail.example.org, .example.org for all below it, [192.0.2.1]"
#define RECIPIENTS "ann@example.org, example.org, .example.org for the domains below it, ann@ in any domain"
#define SENDERS    RECIPIENTS ", <>"

static const struct wrong {
    const char *text, *why;
} wrongs[] = {
    /* clang-format off */
    {"allow = { 192.0.2.1/24 }", "allow: '192.0.2.1/24' is no address, network or host name; allowed: " NETWORKS FILE_TOO},
    {"reject = { 192.0.2.0/33 }", "reject: '192.0.2.0/33' is no address, network or host name; allowed: " NETWORKS FILE_TOO},
    {"defer = { 192.0.2 }", "defer: '192.0.2' is no address, network or host name; allowed: " NETWORKS FILE_TOO},
    {"score = { \" \" }", "score: ' ' is no address, network or host name; allowed: " NETWORKS FILE_TOO},
    {"allow = { \"192.0.2.1 friend\" }", "allow: '192.0.2.1 friend' has more behind it; allowed: nothing behind an item of an allow list but a # and a comment" FILE_TOO},
    {"score = { \"192.0.2.1 many\" }", "score: '192.0.2.1 many' has more than points behind it; allowed: points from -1000 to 1000 behind an item of a score list" FILE_TOO},
    {"score = { \"192.0.2.1 1001\" }", "score: '192.0.2.1 1001' has more than points behind it; allowed: points from -1000 to 1000 behind an item of a score list" FILE_TOO},
    {"score = { \"192.0.2.1 --1\" }", "score: '192.0.2.1 --1' has more than points behind it; allowed: points from -1000 to 1000 behind an item of a score list" FILE_TOO},
    {"reject_helo = { a..b }", "reject_helo: 'a..b' is no name; allowed: " HELOS FILE_TOO},
    {"reject_helo = { . }", "reject_helo: '.' is no name; allowed: " HELOS FILE_TOO},
    {"reject_helo = { a@b.example }", "reject_helo: 'a@b.example' is no name; allowed: " HELOS FILE_TOO},
    {"reject_helo = { \"[192.0.2.1\" }", "reject_helo: '[192.0.2.1' is no name; allowed: " HELOS FILE_TOO},
    {"reject_sender = { @ }", "reject_sender: '@' is no address and no domain; allowed: " SENDERS FILE_TOO},
    {"reject_sender = { ann@.example.org }", "reject_sender: 'ann@.example.org' is no address and no domain; allowed: " SENDERS FILE_TOO},
    {"reject_sender = { a@b@example.org }", "reject_sender: 'a@b@example.org' is no address and no domain; allowed: " SENDERS FILE_TOO},
    {"reject_sender = { '\"ann\"@example.org' }", "reject_sender: '\"ann\"@example.org' is no address and no domain; allowed: " SENDERS FILE_TOO},
    {"reject_recipient = { <> }", "reject_recipient: '<>' is no address and no domain; allowed: " RECIPIENTS FILE_TOO},
    {"allow = { file:friends }", "allow: 'file:friends' does not name a file by its whole path; allowed: file:/etc/postern/friends"},
    {"allow = { file: }", "allow: 'file:' does not name a file by its whole path; allowed: file:/etc/postern/friends"},
    {"reply = \"\"", "reply: has 0 characters; allowed: 1 to 200"},
    {"reply_later = \"\"", "reply_later: has 0 characters; allowed: 1 to 200"},
    {"points = 0", "points: \"0\" is out of range; allowed: 1..1000, a whole number"},
    /* clang-format on */
};

static void what_cannot_be_an_entry_is_refused_with_its_place(void **state)
{
    char why[WHY_MAX], text[CONSEQUENCE_TEXT_MAX + 64];
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        snprintf(why, sizeof(why), "c:2: policy p: access: %s", wrongs[i].why);
        expect_error(root_block(), file_of(wrongs[i].text), why);
    }
    snprintf(text, sizeof(text), "reject = { \"192.0.2.1 %0*d\" }", CONSEQUENCE_TEXT_MAX, 0);
    config = load_ok(root_block(), file_of(text));
    config_free(&config);
    snprintf(text, sizeof(text), "reject = { \"192.0.2.1 %0*d\" }", CONSEQUENCE_TEXT_MAX + 1, 0);
    write_file("c", file_of(text));
    assert_null(config_load("c", root_block(), why, sizeof(why)));
    assert_non_null(strstr(why, "has too long a reply behind it; allowed: a reply of 200 characters at most"));
}

/* -- made -- */

static uint64_t mark(const char *const *files, int count)
{
    (void)files;
    return count > 0 ? marks[marked++ % 8] : 0;
}

static const struct access_options *options_of(const struct policy *of)
{
    for (int i = 0; check_table[i] != NULL; i++)
        if (strcmp(check_table[i]->name, "access") == 0)
            return of->check_options[i];
    return NULL;
}

static const struct access_lists *lists_of(const struct prepared *from)
{
    for (int i = 0; check_table[i] != NULL; i++)
        if (strcmp(check_table[i]->name, "access") == 0)
            return prepared_for(from, i);
    return NULL;
}

static void load(const char *text)
{
    config = load_ok(root_block(), file_of(text));
    policy = block_at(&((const struct root *)config_root(config))->policies, 0);
}

static struct prepared *prepare(const struct prepared *old)
{
    struct prepared_fault fault;
    struct prepared *made = prepared_new(policy, old, mark, &fault);
    if (made == NULL)
        fail_msg("%s: %s", fault.fault.option, fault.fault.text);
    return made;
}

static void make(const char *text)
{
    load(text);
    prepared = prepare(NULL);
}

static void drop(void)
{
    prepared_free(&prepared);
    config_free(&config);
}

static void expect_fault(const char *text, const char *option, const char *expected)
{
    struct prepared_fault fault;
    char why[WHY_MAX] = "";
    int before = open_descriptors();
    load(text);
    put_directory(expected, why, sizeof(why));
    assert_null(prepared_new(policy, NULL, mark, &fault));
    assert_ptr_equal(fault.options, options_of(policy));
    assert_string_equal(fault.fault.option, option);
    assert_string_equal(fault.fault.text, why);
    config_free(&config);
    assert_int_equal(open_descriptors(), before);
}

static void what_is_wrong_in_a_file_is_told_with_its_line(void **state)
{
    (void)state;
    expect_fault("allow = { 192.0.2.1, file:@/friends }", "allow",
                 "@/friends cannot be opened: No such file or directory");
    write_file("friends", "# all of them\n\n192.0.2.1\n192.0.2.1/24\n192.0.2.2\n");
    expect_fault("allow = { file:@/friends }", "allow",
                 "@/friends:4: '192.0.2.1/24' is no address, network or host name; allowed: " NETWORKS);
    write_file("friends", "192.0.2.1 OK\n");
    expect_fault(
        "allow = { file:@/friends }", "allow",
        "@/friends:1: '192.0.2.1' has more behind it; allowed: nothing behind an item of an allow list but a # "
        "and a comment");
    write_file("friends", "a.example\nb.example\r\n");
    expect_fault("score_helo = { file:@/friends }", "score_helo",
                 "@/friends:2: a carriage return; lines end with a line feed alone (say: tr -d '\\r')");
    assert_int_equal(chmod("friends", 0622), 0);
    expect_fault("defer_recipient = { file:@/friends }", "defer_recipient",
                 "@/friends may be written by group or others, who could then say whose mail passes; say chmod go-w");
}

static void expect_hit(bool found, const struct access_hit *hit, enum access_action action, const char *source,
                       uint32_t line, const char *rest)
{
    assert_true(found);
    assert_int_equal(hit->action, action);
    assert_int_equal(hit->line, line);
    assert_string_equal(hit->source + (strlen(hit->source) - strlen(source)), source);
    if (rest == NULL)
        assert_null(hit->rest);
    else
        assert_string_equal(hit->rest, rest);
}

static bool find_client(const char *text, struct access_hit *hit)
{
    struct ipaddr address;
    assert_true(ipaddr_parse(slice_of(text), &address));
    return access_find_client(lists_of(prepared), &address, hit);
}

static bool find_path(enum access_of of, const char *text, struct access_hit *hit)
{
    struct slice rest = slice_of(text);
    struct path path;
    assert_int_equal(path_parse(&rest, true, &path), PATH_FINE);
    return access_find_path(lists_of(prepared), of, &path, hit);
}

static void the_closest_entry_counts_and_says_where_it_stands(void **state)
{
    struct access_hit hit;
    (void)state;
    write_file("enemies", "192.0.2.0/24 go  away\n\n198.51.100.7\n192.0.2.9 # since May\n");
    write_file("odd", "192.0.2.9 3\n2001:db8::/32 -7\n");
    make("allow = { 192.0.2.16/28, 198.51.100.7 } reject = { 203.0.113.0/24, file:@/enemies, \"203.0.113.7 no\" } "
         "score = { file:@/odd }");
    expect_hit(find_client("192.0.2.1", &hit), &hit, ACCESS_REJECT, "/enemies", 1, "go  away");
    expect_hit(find_client("192.0.2.9", &hit), &hit, ACCESS_REJECT, "/enemies", 4, NULL);
    expect_hit(find_client("192.0.2.17", &hit), &hit, ACCESS_ALLOW, "allow", 0, NULL);
    expect_hit(find_client("198.51.100.7", &hit), &hit, ACCESS_ALLOW, "allow", 0, NULL);
    expect_hit(find_client("203.0.113.1", &hit), &hit, ACCESS_REJECT, "reject", 0, NULL);
    expect_hit(find_client("203.0.113.7", &hit), &hit, ACCESS_REJECT, "reject", 0, "no");
    expect_hit(find_client("2001:db8::1", &hit), &hit, ACCESS_SCORE, "/odd", 2, "-7");
    assert_int_equal(access_points_of(hit.rest), -7);
    assert_false(find_client("10.0.0.1", &hit));
    assert_false(access_knows_names(lists_of(prepared)));
    drop();
}

static void names_are_found_as_they_are_said(void **state)
{
    struct access_hit hit;
    (void)state;
    make("reject_helo = { .Example.ORG., \"[192.0.2.1]\" } allow_sender = { @friend.example, boss@ } "
         "defer_sender = { x+y@friend.example., <> } reject_recipient = { ann@example.org, postmaster@ }");
    expect_hit(access_find_helo(lists_of(prepared), slice_of("A.example.org"), &hit), &hit, ACCESS_REJECT,
               "reject_helo", 0, NULL);
    expect_hit(access_find_helo(lists_of(prepared), slice_of("[192.0.2.1]"), &hit), &hit, ACCESS_REJECT, "reject_helo",
               0, NULL);
    assert_false(access_find_helo(lists_of(prepared), slice_of("example.org"), &hit));
    assert_false(access_find_helo(lists_of(prepared), slice_of(""), &hit));
    expect_hit(find_path(ACCESS_SENDER, "<x+y@friend.example>", &hit), &hit, ACCESS_DEFER, "defer_sender", 0, NULL);
    expect_hit(find_path(ACCESS_SENDER, "<\"x\\+y\"@FRIEND.example>", &hit), &hit, ACCESS_DEFER, "defer_sender", 0,
               NULL);
    expect_hit(find_path(ACCESS_SENDER, "<x@friend.example>", &hit), &hit, ACCESS_ALLOW, "allow_sender", 0, NULL);
    expect_hit(find_path(ACCESS_SENDER, "<boss@x.example>", &hit), &hit, ACCESS_ALLOW, "allow_sender", 0, NULL);
    expect_hit(find_path(ACCESS_SENDER, "<>", &hit), &hit, ACCESS_DEFER, "defer_sender", 0, NULL);
    assert_false(find_path(ACCESS_SENDER, "<x@sub.friend.example>", &hit));
    expect_hit(find_path(ACCESS_RECIPIENT, "<Ann@Example.org>", &hit), &hit, ACCESS_REJECT, "reject_recipient", 0,
               NULL);
    expect_hit(find_path(ACCESS_RECIPIENT, "<postmaster>", &hit), &hit, ACCESS_REJECT, "reject_recipient", 0, NULL);
    assert_false(find_path(ACCESS_RECIPIENT, "<boss@x.example>", &hit));
    drop();
}

static void clients_have_names_too(void **state)
{
    struct access_hit hit;
    (void)state;
    make("allow = { mail.Example.org, 192.0.2.1 } reject = { \".example.org not you\" }");
    assert_true(access_knows_names(lists_of(prepared)));
    expect_hit(access_find_name(lists_of(prepared), slice_of("mail.example.org"), &hit), &hit, ACCESS_ALLOW, "allow", 0,
               NULL);
    expect_hit(access_find_name(lists_of(prepared), slice_of("x.example.org"), &hit), &hit, ACCESS_REJECT, "reject", 0,
               "not you");
    assert_false(access_find_name(lists_of(prepared), slice_of("example.net"), &hit));
    assert_false(access_find_helo(lists_of(prepared), slice_of("mail.example.org"), &hit));
    drop();
}

static void no_list_finds_nobody(void **state)
{
    struct access_hit hit;
    (void)state;
    make("");
    assert_false(find_client("192.0.2.1", &hit));
    assert_false(find_path(ACCESS_SENDER, "<>", &hit));
    assert_null(prepared_file(policy, 0));
    drop();
}

static void there_are_only_so_many_files(void **state)
{
    char text[16384] = "allow = { 192.0.2.1";
    (void)state;
    write_file("f", "192.0.2.1\n");
    for (int i = 0; i < ACCESS_SOURCES_MAX - 1; i++)
        strncat(text, ", file:@/f", sizeof(text) - strlen(text) - 1);
    strncat(text, " }", sizeof(text) - strlen(text) - 1);
    make(text);
    drop();
    text[strlen(text) - 2] = '\0';
    strncat(text, ", file:@/f }", sizeof(text) - strlen(text) - 1);
    expect_fault(text, "allow", "these are too many files; allowed: 251");
}

static void what_has_not_changed_is_shared(void **state)
{
    struct access_hit hit;
    (void)state;
    write_file("f", "192.0.2.1\n");
    marks[0] = marks[1] = 7;
    marks[2] = 8;
    marked = 0;
    make("allow = { file:@/f }");
    assert_non_null(strstr(prepared_file(policy, 0), "/f"));
    assert_null(prepared_file(policy, 1));
    const struct access_lists *first = lists_of(prepared);
    write_file("f", "192.0.2.2\n"); /* nobody says so */
    struct prepared *second = prepare(prepared);
    assert_ptr_equal(lists_of(second), first);
    prepared_free(&prepared);
    prepared = second;
    assert_true(find_client("192.0.2.1", &hit));
    struct prepared *third = prepare(second);
    assert_ptr_not_equal(lists_of(third), first);
    prepared_free(&prepared);
    prepared = third;
    assert_false(find_client("192.0.2.1", &hit));
    assert_true(find_client("192.0.2.2", &hit));
    drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(what_cannot_be_an_entry_is_refused_with_its_place),
        config_test_case(what_is_wrong_in_a_file_is_told_with_its_line),
        config_test_case(the_closest_entry_counts_and_says_where_it_stands),
        config_test_case(names_are_found_as_they_are_said),
        config_test_case(clients_have_names_too),
        config_test_case(no_list_finds_nobody),
        config_test_case(there_are_only_so_many_files),
        config_test_case(what_has_not_changed_is_shared),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
