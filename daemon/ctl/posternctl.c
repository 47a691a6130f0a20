/* SPDX-License-Identifier: ISC
 *
 * posternctl: the command line, one request, the answer for people or for programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/version.h"

#include "daemon/ctl/ask.h"
#include "daemon/ctl/explanation.h"
#include "daemon/ctl/json.h"
#include "daemon/ctl/metrics.h"
#include "daemon/ctl/pieces.h"
#include "daemon/ctl/table.h"
#include "daemon/ctl/top.h"

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHED = 3, WAIT_MS = 10000, LONG_WAIT_MS = 60000 };

struct command {
    const char *socket;
    bool json, help, version, worst;
    bool top;            /* the live view: no verb of posternd's */
    const char *seconds; /* -d, as it was written */
    int refresh_s;
    char request[CONTROL_LINE_MAX];
    enum control_verb verb;
};

/* -- help */

static void print_usage(FILE *to)
{
    fputs("usage: posternctl [-hV] [-s socket] [--json] verb [argument ..]\n", to);
}

static int print_help(void)
{
    print_usage(stdout);
    fputs("  -s socket  posternd's control socket (" CONTROL_SOCKET ")\n"
          "  --json     the answer as one JSON document\n"
          "  -h         print this\n"
          "  -V         print the version\n",
          stdout);
    for (int i = 0; i < CONTROL_VERBS; i++)
        printf("  %s%s%s\n      %s\n", control_verbs[i].name, control_verbs[i].arguments[0] != '\0' ? " " : "",
               control_verbs[i].arguments, control_verbs[i].meaning);
    puts("  top [-d SECONDS]\n      a live view of all that, on the whole screen");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_REFUSED;
}

/* -- the command line */

static bool complain(const char *what)
{
    fprintf(stderr, "posternctl: %s\n", what);
    return false;
}

/* A word of the command line is a word of the request: blanks in it would make two. Where the last argument goes to the
 * end of the line (a reason, a key) they do no harm. */
static bool put_words(struct command *command, int count, char **words)
{
    struct buffer request;
    enum control_verb verb;
    bool blanks = control_find(slice_of(words[0]), &verb) && control_verbs[verb].free_end;
    buffer_init(&request, command->request, sizeof(command->request));
    for (int i = 0; i < count; i++) {
        if (words[i][0] == '\0' || (!blanks && strchr(words[i], ' ') != NULL))
            return complain("an argument is empty or has a blank in it");
        buffer_print(&request, "%s%s", i > 0 ? " " : "", words[i]);
    }
    if (command->worst)
        buffer_print(&request, "%s", " --worst");
    return !request.overflow || complain("the request is too long");
}

static bool understand(struct command *command)
{
    struct control_request request;
    const char *why;
    if (control_parse(slice_of(command->request), &request, &why)) {
        command->verb = request.verb;
        return true;
    }
    fprintf(stderr, "posternctl: %s", why);
    struct slice rest = slice_of(command->request), name = slice_take_word(&rest);
    if (control_find(name, &command->verb)) {
        const char *arguments = control_verbs[command->verb].arguments;
        fprintf(stderr, ": %s%s%s", control_verbs[command->verb].name, arguments[0] != '\0' ? " " : "", arguments);
    }
    fputs("; `posternctl help` says what there is\n", stderr);
    return false;
}

static bool read_options(struct command *command, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"worst", no_argument, NULL, 'w'},
                                            {0}};
    for (int letter; (letter = getopt_long(argc, argv, "s:d:hV", options, NULL)) != -1;) {
        switch (letter) {
        case 's':
            command->socket = optarg;
            break;
        case 'd':
            command->seconds = optarg;
            break;
        case 'j':
            command->json = true;
            break;
        case 'h':
            command->help = true;
            break;
        case 'w':
            command->worst = true;
            break;
        case 'V':
            command->version = true;
            break;
        default:
            return false;
        }
    }
    return true;
}

static bool read_top(struct command *command, int words)
{
    uint64_t seconds = TOP_SECONDS_DEFAULT;
    command->top = true;
    if (words > 1 || command->worst)
        return complain("top has no arguments but -d SECONDS");
    if (command->json)
        return complain("top is for people: for programs there is posternctl --json stats");
    if (command->seconds != NULL &&
        (!slice_to_number(slice_of(command->seconds), &seconds) || seconds == 0 || seconds > TOP_SECONDS_MAX))
        return complain("-d is a number of seconds, 1 to 60");
    command->refresh_s = (int)seconds;
    return true;
}

/* False: not understood, and that was said. */
static bool read_command(struct command *command, int argc, char **argv)
{
    if (!read_options(command, argc, argv)) {
        print_usage(stderr);
        return false;
    }
    if (optind < argc && strcmp(argv[optind], "help") == 0)
        command->help = true;
    if (command->help || command->version)
        return true;
    if (optind == argc) {
        print_usage(stderr);
        return complain("which verb? `posternctl help` says what there is");
    }
    if (strcmp(argv[optind], "top") == 0)
        return read_top(command, argc - optind);
    if (command->seconds != NULL)
        return complain("-d belongs to top");
    return put_words(command, argc - optind, argv + optind) && understand(command);
}

/* -- the answer */

/* Words of posternd's, in which words of a configuration or a peer may stand. */
static void put_plain(const char *text)
{
    for (; *text != '\0'; text++)
        fputc(*text >= ' ' && *text <= '~' ? *text : '?', stderr);
}

static void print_error(const struct answer_record *error)
{
    fputs("posternctl: ", stderr);
    put_plain(answer_text(error, "why"));
    if (answer_text(error, "try")[0] != '\0') {
        fputs("\n  try: ", stderr);
        put_plain(answer_text(error, "try"));
    }
    fputc('\n', stderr);
}

static int end_well(const struct answer *answer)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        fprintf(stderr, "posternctl: cannot write: %s\n", strerror(errno));
        return EXIT_REFUSED;
    }
    if (answer->end == ANSWER_OK)
        return EXIT_SUCCESS;
    print_error(&answer->error);
    return EXIT_REFUSED;
}

static int print_answer(const struct command *command, const struct answer *answer)
{
    if (command->json)
        json_print(stdout, command->verb, answer);
    else if (command->verb == CONTROL_METRICS)
        metrics_print(stdout, answer);
    else if (command->verb == CONTROL_EXPLAIN)
        explanation_print(stdout, answer);
    else
        table_print(stdout, command->verb, answer);
    return end_well(answer);
}

/* Where standard input is closed the socket would get its number, and posternctl read what it writes. */
static bool has_lines(void)
{
    return fcntl(STDIN_FILENO, F_GETFD) >= 0 || complain("there is nothing to read: standard input is closed");
}

/* What takes long may be long. */
static int run_at_length(const struct command *command)
{
    struct pieces pieces;
    struct answer answer;
    char why[ASK_WHY_MAX];
    bool imports = strcmp(command->request, "store import") == 0;
    if (imports && !has_lines())
        return EXIT_USAGE;
    const struct ask_long how = {.lines = imports ? STDIN_FILENO : -1, .take = pieces_take, .context = &pieces};
    pieces_begin(&pieces, stdout, command->verb, command->json);
    bool heard = ask_at_length(command->socket, command->request, CONTROL_LASTING_MS, &how, &answer, why);
    if (answer.draining)
        complain("this posternd is stopping");
    pieces_end(&pieces, &answer, heard ? NULL : why);
    fflush(stdout);
    if (!heard)
        complain(why);
    int status = heard ? end_well(&answer) : EXIT_UNREACHED;
    answer_clear(&answer);
    return status;
}

static int run(const struct command *command)
{
    struct answer answer;
    char why[ASK_WHY_MAX];
    bool long_wait = control_verbs[command->verb].by == CONTROL_LATER || command->verb == CONTROL_CHECK ||
                     command->verb == CONTROL_EXPLAIN;
    bool heard = ask(command->socket, command->request, long_wait ? LONG_WAIT_MS : WAIT_MS, &answer, why);
    if (answer.draining)
        complain("this posternd is stopping");
    int status = heard ? print_answer(command, &answer) : EXIT_UNREACHED;
    if (!heard && command->json)
        json_print_unheard(stdout, command->verb, why);
    if (!heard)
        complain(why);
    answer_clear(&answer);
    return status;
}

static int run_top(const struct command *command)
{
    switch (top_run(command->socket, command->refresh_s)) {
    case TOP_UNREACHED:
        return EXIT_UNREACHED;
    case TOP_NO_TERMINAL:
        return EXIT_REFUSED;
    case TOP_QUIT:
        break;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct command command = {.socket = CONTROL_SOCKET};
    if (!read_command(&command, argc, argv))
        return EXIT_USAGE;
    if (command.help)
        return print_help();
    if (command.version)
        return printf("posternctl %s\n", postern_version) < 0;
    if (command.top)
        return run_top(&command);
    return control_verbs[command.verb].lasts ? run_at_length(&command) : run(&command);
}
