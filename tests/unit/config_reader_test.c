/* SPDX-License-Identifier: ISC
 *
 * Proves what files postern.conf may be made of, and that lines are told truly across them. */
#include "tests/unit/config_fixture.h"
#include "tests/unit/config_sample.h"

static const struct sample *root_of(const struct config *config)
{
    return config_root(config);
}

static void includes_are_read_in_their_place(void **state)
{
    (void)state;
    assert_int_equal(mkdir("conf.d", 0755), 0);
    assert_int_equal(mkdir("conf.d/deep", 0755), 0);
    write_file("conf.d/10-a.conf", "words = { a,\n b }\n");
    write_file("conf.d/20-b.conf", "include \"deep/*\" # relative to this file\n");
    write_file("conf.d/deep/x", "backend other {\n include \"/dev/null/../nothing*\" address = 127.0.0.1:7 }");
    write_file("conf.d/30-c.conf~", "a backup that is not read\n");
    struct config *config = load_ok(&sample_block, "include \"conf.d/*.conf\"\ninclude none.d/*.conf\n" SAMPLE);

    assert_int_equal(root_of(config)->words.count, 2);
    assert_int_equal(root_of(config)->backends.count, 2);
    config_free(&config);
}

static void includes_may_stand_inside_blocks(void **state)
{
    (void)state;
    write_file("address", "address = 127.0.0.1:9");
    struct config *config = load_ok(&sample_block, "backend x { include address connect = greeting }\n" SAMPLE);
    const struct sample_backend *x = block_at(&root_of(config)->backends, 0);

    assert_int_equal(x->address.port, 9);
    assert_int_equal(x->connect, 1);
    config_free(&config);
}

static void lines_are_true_across_files(void **state)
{
    (void)state;
    write_file("a", "# one\n// two\n/* three\n four */ words = { x }\n");
    write_file("b", "\n\nlimit = 1\n");
    expect_error(&sample_block, "# one\ninclude a\n/* three\n*/ workers = 0\n" SAMPLE,
                 "c:4: workers: \"0\" is out of range; allowed: 1..5000, a whole number");
    expect_error(&sample_block, "include a include b\n" SAMPLE,
                 "b:3: limit: \"1\" is out of range; allowed: 1K..2G, octets, or with one of the units K, M, G");
    expect_error(&sample_block, "include a workers = 0\n" SAMPLE,
                 "c:1: workers: \"0\" is out of range; allowed: 1..5000, a whole number");
    expect_error(&sample_block, "\ninclude a\nwords = y\n" SAMPLE,
                 "c:3: words: is written a second time; the first stands at a:4");
    write_file("b", "\n  dnsbl {\n mode = none }");
    expect_error(&sample_block, "policy p {\ninclude b\n}\n" SAMPLE,
                 "b:3: policy p: dnsbl: mode: \"none\" is none of the choices; allowed: off, watch, enforce");
    write_file("b", "dnsbl { mode = }");
    expect_error(
        &sample_block, "policy p { include b }\n" SAMPLE,
        "b:1: policy p: dnsbl: \"}\" is not expected here; allowed: name = value, name = { a, b }, or a block { .. }");
}

static void blocks_end_in_their_file(void **state)
{
    (void)state;
    write_file("a", "policy p {\n");
    write_file("b", "\n}\n");
    expect_error(&sample_block, "include a\n}\n" SAMPLE,
                 "a:1: the { of \"policy p\" is never closed in this file; its } is missing, or that of something "
                 "inside");
    expect_error(&sample_block, "policy p {\ninclude b\n" SAMPLE,
                 "b:2: one } too many: no block that begins in this file is open here");
    write_file("b", "workers");
    expect_error(&sample_block, "include b = 5\n" SAMPLE, "b:1: workers: neither a = nor a {; the file ends here");
}

static void files_that_are_refused(void **state)
{
    (void)state;
    char why[WHY_MAX];

    assert_null(config_load("missing", &sample_block, why, sizeof why));
    assert_string_equal(why, "missing: cannot be opened: No such file or directory");
    expect_error(&sample_block, "\ninclude \"missing\"\n" SAMPLE,
                 "c:2: include: missing cannot be opened: No such file or directory");
    assert_null(config_load(".", &sample_block, why, sizeof why));
    assert_string_equal(why, ".: is not a plain file");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    expect_error(&sample_block, "include fifo\n", "c:1: include: fifo is not a plain file");
    expect_error(&sample_block, "include\n",
                 "c:1: include: no file; write include \"file\" or include "
                 "\"directory/*.conf\"");
    expect_error(&sample_block, "include \"a\n", "c:1: include: the quote that begins here does not end on its line");
}

static void files_that_others_may_write_are_refused(void **state)
{
    (void)state;
    write_file("inner", "workers = 1\n");
    assert_int_equal(chmod("inner", 0620), 0);
    expect_error(&sample_block, "include inner\n" SAMPLE,
                 "c:1: include: inner may be written by group or others, who could then run this host's mail; say "
                 "chmod go-w");
    assert_int_equal(chmod("inner", 0600), 0);
    assert_int_equal(chmod("c", 0602), 0);
    expect_error_of_file(&sample_block, "c: may be written by group or others, who could then run this host's mail; "
                                        "say chmod go-w");
}

static void includes_end(void **state)
{
    (void)state;
    char name[16], text[32];

    expect_error(&sample_block, "\ninclude c\n", "c:2: include: c includes itself");
    write_file("a", "include b");
    write_file("b", "include ./a");
    expect_error(&sample_block, "include a\n", "b:1: include: ./a includes itself");
    for (int i = 1; i <= 9; i++) {
        snprintf(name, sizeof name, "d%d", i);
        snprintf(text, sizeof text, "include d%d\n", i + 1);
        write_file(name, i < 9 ? text : "workers = 3\n");
    }
    expect_error(&sample_block, "include d1\n" SAMPLE,
                 "d8:1: include: d9 is included too deeply; 8 levels are allowed");
    struct config *config = load_ok(&sample_block, "include d2\n" SAMPLE);
    assert_int_equal(root_of(config)->workers, 3);
    config_free(&config);
}

static void only_text_is_read(void **state)
{
    (void)state;
    write_octets("c", "a\n#\0b\n", 6);
    expect_error_of_file(&sample_block, "c:2: the control character 0x00; only text is allowed");
    expect_error(&sample_block, "\n\nbanner = \"\033[2J\"\n", "c:3: the control character 0x1b; only text is allowed");
    expect_error(&sample_block, "workers = \001\n", "c:1: the control character 0x01; only text is allowed");
    expect_error(&sample_block, "workers = 1\r\n",
                 "c:1: a carriage return; lines end with a line feed alone (say: tr -d '\\r')");
    struct config *config = load_ok(&sample_block, "\t# caf\303\251\n\tworkers\t=\t1\n" SAMPLE);
    config_free(&config);
}

/* The last line needs no line feed, and much text is no trouble. */
static void sizes(void **state)
{
    (void)state;
    enum { BLOCKS = 3000 };
    FILE *f = fopen("many", "w");
    char why[WHY_MAX];

    assert_non_null(f);
    for (int i = 0; i < BLOCKS; i++)
        fprintf(f, "backend b%d { address = 127.0.0.1:%d }\n", i, i + 1);
    fclose(f);
    struct config *config = load_ok(&sample_block, SAMPLE "include many");
    assert_int_equal(root_of(config)->backends.count, BLOCKS + 1);
    config_free(&config);
    assert_int_equal(truncate("many", (16 << 20) + 1), 0);
    assert_null(config_load("c", &sample_block, why, sizeof why));
    assert_string_equal(why, "c:4: include: many is larger than 16 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(includes_are_read_in_their_place),
        config_test_case(includes_may_stand_inside_blocks),
        config_test_case(lines_are_true_across_files),
        config_test_case(blocks_end_in_their_file),
        config_test_case(files_that_are_refused),
        config_test_case(files_that_others_may_write_are_refused),
        config_test_case(includes_end),
        config_test_case(only_text_is_read),
        config_test_case(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
