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

#include "tests/talk/certificates.h"
#include "tests/talk/play.h"

enum { REAL_SECONDS_MAX = 20, TOLD_LINES_MAX = 60 };

enum { DIRECTORY_MAX = 100 };

struct how {
    bool verbose;
    size_t cut;
    char certificates[DIRECTORY_MAX]; /* made for the first talk that needs them; "": not yet */
};

static const char *temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && strlen(directory) < 60 ? directory : "/tmp";
}

/* Of one child; it puts its sockets there. */
static char *make_directory(char path[DIRECTORY_MAX])
{
    snprintf(path, DIRECTORY_MAX, "%s/talk-XXXXXX", temporary_directory());
    return mkdtemp(path);
}

/* Every child sees them in its own directory, as `certificates`. */
static bool lay_certificates(struct how *how, const char *directory)
{
    char path[DIRECTORY_MAX + 20];
    if (!how->certificates[0] && (!make_directory(how->certificates) || !certificates_make(how->certificates)))
        return false;
    snprintf(path, sizeof path, "%s/certificates", directory);
    return symlink(how->certificates, path) == 0;
}

/* In the child: how a talk names certificates becomes where they lie. */
static void expand_settings(struct script *script, const char *directory, struct report *report)
{
    char certificates[DIRECTORY_MAX + 20];
    snprintf(certificates, sizeof certificates, "%s/certificates", directory);
    for (size_t i = 0; i < script->setting_count; i++) {
        char *expanded = certificates_expand(script->settings[i], certificates);
        if (!expanded)
            report_fail(report, "unknown certificate in %s", script->settings[i]);
        free(script->settings[i]);
        script->settings[i] = expanded;
    }
}

static void ignore_broken_pipes(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

static void hold(struct script *script, const char *directory, const struct how *how, struct report *report)
{
    alarm(REAL_SECONDS_MAX);
    expand_settings(script, directory, report);
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
    for (size_t i = 0; i < script->list_count; i++) {
        struct slice rest = slice_of(script->lists[i]), name = slice_take_word(&rest);
        snprintf(path, sizeof path, "%s/%.*s.list", directory, SLICE_ARGS(name));
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/postern.conf", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/certificates", directory);
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
static void play_apart(struct script *script, struct how *how, struct report *report)
{
    char path[DIRECTORY_MAX];
    const char *directory = make_directory(path);
    int status = 0;
    bool ready = directory && (!script_needs_certificates(script) || lay_certificates(how, directory));
    pid_t child = ready ? fork() : -1;
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

static void tell_transcript(const struct report *report)
{
    size_t from = report->size;
    for (int lines = 0; from > 0; from--)
        if (report->transcript[from - 1] == '\n' && ++lines > TOLD_LINES_MAX)
            break;
    printf("  the conversation so far%s:\n%.*s\n", report->cut || from > 0 ? " (its end)" : "",
           (int)(report->size - from), report->transcript + from);
}

static void tell_failure(const struct script *script, const struct report *report)
{
    printf("%s:%d: %s\n    %s\n  to prove: %s\n", script->path, report->line, report->step, report->failure,
           script->title);
    tell_transcript(report);
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

static bool run_talk(const char *path, struct how *how, struct report *report)
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
    if (how.certificates[0])
        certificates_remove(how.certificates);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
