/* SPDX-License-Identifier: ISC */
#include "workers/smtp/command.h"

/* clang-format off */
static const struct slice verb_names[] = {
    [VERB_HELO] = SLICE("HELO"),         [VERB_EHLO] = SLICE("EHLO"),       [VERB_MAIL] = SLICE("MAIL"),
    [VERB_RCPT] = SLICE("RCPT"),         [VERB_DATA] = SLICE("DATA"),       [VERB_BDAT] = SLICE("BDAT"),
    [VERB_RSET] = SLICE("RSET"),         [VERB_NOOP] = SLICE("NOOP"),       [VERB_QUIT] = SLICE("QUIT"),
    [VERB_VRFY] = SLICE("VRFY"),         [VERB_EXPN] = SLICE("EXPN"),       [VERB_HELP] = SLICE("HELP"),
    [VERB_STARTTLS] = SLICE("STARTTLS"), [VERB_AUTH] = SLICE("AUTH"),       [VERB_ETRN] = SLICE("ETRN"),
    [VERB_TURN] = SLICE("TURN"),         [VERB_BURL] = SLICE("BURL"),       [VERB_XCLIENT] = SLICE("XCLIENT"),
    [VERB_XFORWARD] = SLICE("XFORWARD"), [VERB_UNKNOWN] = SLICE("unknown"),
};
/* clang-format on */

const char *verb_name(enum verb verb)
{
    return verb_names[verb].at;
}

enum verb verb_find(struct slice word)
{
    int verb = 0;
    while (verb < VERB_UNKNOWN && !slice_equal_nocase(word, verb_names[verb]))
        verb++;
    return (enum verb)verb;
}

static enum command_fault octet_fault(char c)
{
    switch (c) {
    case '\r':
        return COMMAND_BARE_CR;
    case '\n':
        return COMMAND_NO_CRLF;
    case '\0':
        return COMMAND_NUL;
    case '\t':
        return COMMAND_FINE;
    default:
        return (unsigned char)c < ' ' || c == 0x7F ? COMMAND_CONTROL : COMMAND_FINE;
    }
}

/* Takes the CRLF off *line. */
static enum command_fault check_octets(struct slice *line)
{
    if (line->size < 2 || line->at[line->size - 1] != '\n' || line->at[line->size - 2] != '\r')
        return COMMAND_NO_CRLF;
    line->size -= 2;
    enum command_fault fault = COMMAND_FINE;
    for (size_t i = 0; fault == COMMAND_FINE && i < line->size; i++)
        fault = octet_fault(line->at[i]);
    return fault;
}

enum command_fault command_parse(struct slice line, struct command *out)
{
    *out = (struct command){.verb = VERB_UNKNOWN};
    enum command_fault fault = check_octets(&line);
    if (fault != COMMAND_FINE)
        return fault;
    /* Not a sloppy client, but one that talks to a folding parser: a line that begins with a blank is no command. */
    bool is_indented = line.size > 0 && (*line.at == ' ' || *line.at == '\t');
    out->verb = is_indented ? VERB_UNKNOWN : verb_find(slice_take_word(&line));
    out->argument = slice_trim(line);
    return COMMAND_FINE;
}

bool helo_name_is_safe(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] <= ' ' || name.at[i] > '~')
            return false;
    }
    return name.size > 0 && name.size <= HELO_NAME_MAX;
}
