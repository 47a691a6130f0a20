/* SPDX-License-Identifier: ISC
 *
 * A command line, and the name of EHLO. What is taken for a command ends with CRLF and has no control character but TAB
 * in it; the argument lies within the line, without blanks at its ends; the verb is the first word, in any case of
 * letters. What is refused has such a character, or no CRLF. A name that is safe may stand in a line inside.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/target.h"
#include "workers/smtp/command.h"

static bool is_well_formed(struct slice line)
{
    if (line.size < 2 || memcmp(line.at + line.size - 2, "\r\n", 2) != 0)
        return false;
    for (size_t i = 0; i < line.size - 2; i++)
        if (iscntrl((unsigned char)line.at[i]) && line.at[i] != '\t')
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void check_argument(struct slice line, struct slice argument)
{
    if (argument.size == 0)
        return;
    law(argument.at >= line.at && argument.at + argument.size <= line.at + line.size - 2,
        "an argument beyond the line");
    law(!is_blank(argument.at[0]) && !is_blank(argument.at[argument.size - 1]), "an argument with blanks at its ends");
    law(memchr(argument.at, '\r', argument.size) == NULL && memchr(argument.at, '\n', argument.size) == NULL,
        "a line end in an argument");
}

FUZZ
{
    struct command command;
    bool fine = command_parse(input, &command) == COMMAND_FINE;
    law(fine == is_well_formed(input), "a line is %s", fine ? "taken" : "refused");
    if (fine) {
        const char *name = verb_name(command.verb);
        size_t size = 0;
        while (size < input.size && strchr(" \t\r", input.at[size]) == NULL)
            size++;
        check_argument(input, command.argument);
        if (command.verb != VERB_UNKNOWN)
            law(size == strlen(name) && strncasecmp(name, input.at, size) == 0, "another verb: %s", name);
    }
    if (helo_name_is_safe(input)) {
        law(input.size >= 1 && input.size <= HELO_NAME_MAX && law_is_clean(input), "a name that is not safe");
        for (size_t i = 0; i < input.size; i++)
            law(input.at[i] > ' ' && input.at[i] <= '~', "a name that is not safe");
    }
}
