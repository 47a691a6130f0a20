/* SPDX-License-Identifier: ISC */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sink/options.h"

static const char USAGE[] =
    "usage: sink [options] ADDRESS\n"
    "  ADDRESS         127.0.0.1:PORT, [::1]:PORT (port 0: any that is free) or unix:/path\n"
    "  --maildir DIR   keep messages in this Maildir, as they were meant (unstuffed), nothing added\n"
    "  --discard       keep nothing (the default)\n"
    "  --raw FILE      append every octet heard\n"
    "  --print         say what is heard (>) and answered (<), a line each\n"
    "  --count         say the totals at the end, and at SIGUSR1; `peak` begins anew then\n"
    "  --ready         say \"ready ADDRESS\" when listening\n"
    "  --xclient       offer XCLIENT\n"
    "  --nobody        recipients whose name begins with \"nobody\" do not exist\n"
    "  --mark WORD     count messages apart whose sender begins with it (up to 4 times)\n"
    "  --processes N   serve with N processes (default 1)\n"
    "Violations of the language between 354 and the final dot are always said, with the mark !\n";

static const struct option LONG_OPTIONS[] = {
    /* clang-format off */
    {"maildir",   required_argument, NULL, 'm'},
    {"discard",   no_argument,       NULL, 'd'},
    {"raw",       required_argument, NULL, 'w'},
    {"print",     no_argument,       NULL, 'p'},
    {"count",     no_argument,       NULL, 'c'},
    {"ready",     no_argument,       NULL, 'r'},
    {"xclient",   no_argument,       NULL, 'x'},
    {"nobody",    no_argument,       NULL, 'b'},
    {"mark",      required_argument, NULL, 'k'},
    {"processes", required_argument, NULL, 'n'},
    {"help",      no_argument,       NULL, 'h'},
    {NULL, 0, NULL, 0},
    /* clang-format on */
};

static _Noreturn void usage(int status)
{
    fputs(USAGE, status == 0 ? stdout : stderr);
    exit(status);
}

static int to_process_count(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 1 || number > PROCESSES_MAX)
        usage(2);
    return (int)number;
}

static void take(struct options *o, int letter, bool *discard)
{
    switch (letter) {
    case 'm':
        o->maildir = optarg;
        break;
    case 'd':
        *discard = true;
        break;
    case 'w':
        o->raw = optarg;
        break;
    case 'p':
        o->print = true;
        break;
    case 'c':
        o->count = true;
        break;
    case 'r':
        o->ready = true;
        break;
    case 'x':
        o->xclient = true;
        break;
    case 'b':
        o->nobody = true;
        break;
    case 'k':
        if (o->mark_count == MARKS_MAX)
            usage(2);
        o->marks[o->mark_count++] = optarg;
        break;
    case 'n':
        o->processes = to_process_count(optarg);
        break;
    default:
        usage(letter == 'h' ? 0 : 2);
    }
}

void options_parse(int argc, char **argv, struct options *out)
{
    bool discard = false;
    int letter;
    *out = (struct options){.processes = 1};
    while ((letter = getopt_long(argc, argv, "h", LONG_OPTIONS, NULL)) != -1)
        take(out, letter, &discard);
    if (argc - optind != 1 || (discard && out->maildir))
        usage(2);
    out->address = argv[optind];
}
