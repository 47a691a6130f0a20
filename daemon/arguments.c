/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <unistd.h>

#include "daemon/arguments.h"

static const char USAGE[] = "usage: posternd [-dfhntV] [-c file] [-o option=value ..]\n"
                            "  -c file   the configuration (" POSTERN_CONF ")\n"
                            "  -o ..     one more option over the file's: option=value, block.option=value or\n"
                            "            block.NAME.option=value; as often as needed\n"
                            "  -t        check the configuration and end: status 0 when it is good\n"
                            "  -f        stay in the foreground, log to stderr\n"
                            "  -n        stay in the foreground, log as configured\n"
                            "  -d        print all options with their meaning\n"
                            "  -V        print the version\n"
                            "  -h        print this\n";

bool arguments_print_usage(FILE *to)
{
    return fputs(USAGE, to) >= 0;
}

static bool take_letter(struct arguments *arguments, const char **overrides, int letter)
{
    switch (letter) {
    case 'c':
        arguments->path = optarg;
        return true;
    case 'o':
        overrides[arguments->overrides.count++] = optarg;
        return true;
    case 't':
        return arguments->check = true;
    case 'f':
        return arguments->foreground = arguments->log_to_stderr = true;
    case 'n':
        return arguments->foreground = true;
    case 'd':
        return arguments->reference = true;
    case 'h':
        return arguments->help = true;
    case 'V':
        return arguments->version = true;
    default:
        return false;
    }
}

bool arguments_parse(struct arguments *arguments, int argc, char **argv)
{
    const char **overrides = calloc((size_t)argc + 1, sizeof(*overrides)); /* at most one for each argument */
    *arguments = (struct arguments){.path = POSTERN_CONF, .overrides = {overrides, 0}};
    bool understood = overrides != NULL;
    for (int letter; understood && (letter = getopt(argc, argv, "c:o:tfndhV")) != -1;)
        understood = take_letter(arguments, overrides, letter);
    if (understood && optind == argc)
        return true;
    arguments_print_usage(stderr);
    return false;
}

void arguments_clear(struct arguments *arguments)
{
    free((void *)(uintptr_t)arguments->overrides.items);
    *arguments = (struct arguments){0};
}
