/* SPDX-License-Identifier: ISC
 *
 * talk - holds conversations with the session: talk [-v] [-c octets] FILE..
 *
 * -v shows them. -c cuts all that either side says into pieces of so many octets, each of which the session sees alone:
 * what it does must not depend on where the network cuts.
 *
 * Each talk is held in a child of its own, so that a crash or a hang is one failure; a failure is told with its line,
 * what the talk proves, and the conversation so far. Exit status 1 when any failed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/talk/play.h"

enum { REAL_SECONDS_MAX = 20 };

struct how {
    bool verbose;
    size_t cut;
};

static const char *temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && strlen(directory) < 60 ? directory : "/tmp";
}

/* Of one child; it puts its sockets there. */
static char *make_directory(void)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/talk-XXXXXX", temporary_directory());
    return mkdtemp(path);
}

static void ignore_broken_pipes(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

static void hold(const struct script *script, const char *directory, const struct how *how, struct report *report)
{
    alarm(REAL_SECONDS_MAX);
    ignore_broken_pipes();
    play_run(script, directory, how->cut, report);
}

static void remove_directory(const char *directory, const struct script *script)
{
    char path[200];
    for (int server = 1; server <= script->server_count; server++) {
        snprintf(path, sizeof path, "%s/%d", directory, server);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/postern.conf", directory);
    unlink(path);
    rmdir(directory);
}

static void tell_end(struct report *report, int status)
{
    size_t size = sizeof report->failure;
    if (report->failure[0])
        return;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(report->failure, size, "computed for %d s without asking the clock", REAL_SECONDS_MAX);
    else if (WIFSIGNALED(status))
        snprintf(report->failure, size, "crashed: %s", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        snprintf(report->failure, size, "ended with status %d", WEXITSTATUS(status));
}

/* In a child; how it went is in the report. */
static void play_apart(const struct script *script, const struct how *how, struct report *report)
{
    const char *directory = make_directory();
    int status = 0;
    pid_t child = directory ? fork() : -1;
    if (child < 0) {
        snprintf(report->failure, sizeof report->failure, "cannot begin: %s", strerror(errno));
        return;
    }
    if (child == 0) {
        hold(script, directory, how, report);
        exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    tell_end(report, status);
    remove_directory(directory, script);
}

static void tell_failure(const struct script *script, const struct report *report)
{
    printf("%s:%d: %s\n    %s\n  to prove: %s\n", script->path, report->line, report->step, report->failure,
           script->title);
    printf("  the conversation so far%s:\n%.*s\n", report->cut ? " (its end)" : "", (int)report->size,
           report->transcript);
}

/* The runner's own tests are talks that have to fail, there and for that reason. */
static bool failed_as_it_must(const struct script *script, const struct report *report)
{
    if (report->failure[0] && report->line == script->must_fail_at && strstr(report->failure, script->must_fail_text))
        return true;
    printf("%s: had to fail at line %d with \"%s\"\n", script->path, script->must_fail_at, script->must_fail_text);
    if (report->failure[0])
        tell_failure(script, report);
    return false;
}

static bool run_talk(const char *path, const struct how *how, struct report *report)
{
    struct script script;
    char why[1024];
    bool good = script_load(path, &script, why, sizeof why);
    if (!good)
        printf("%s\n\n", why);
    if (good) {
        report_clear(report);
        play_apart(&script, how, report);
        good = script.must_fail_text ? failed_as_it_must(&script, report) : report->failure[0] == '\0';
        if (!good && !script.must_fail_text)
            tell_failure(&script, report);
        else if (how->verbose)
            printf("%s: %s\n%.*s\n", path, script.title, (int)report->size, report->transcript);
    }
    script_free(&script);
    fflush(stdout);
    return good;
}

static bool parse_options(int argc, char **argv, struct how *how)
{
    int option;
    uint64_t cut = 0;
    while ((option = getopt(argc, argv, "vc:")) != -1) {
        if (option == '?' || (option == 'c' && !slice_to_number(slice_of(optarg), &cut)))
            return false;
        how->verbose = how->verbose || option == 'v';
    }
    how->cut = (size_t)cut;
    return optind < argc;
}

int main(int argc, char **argv)
{
    struct how how = {0};
    int passed = 0, failed = 0;
    struct report *report = report_new();
    if (!report || !parse_options(argc, argv, &how)) {
        fprintf(stderr, "usage: talk [-v] [-c octets] FILE..\n");
        return 2;
    }
    for (int i = optind; i < argc; i++) {
        bool good = run_talk(argv[i], &how, report);
        passed += good;
        failed += !good;
    }
    report_free(&report);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
