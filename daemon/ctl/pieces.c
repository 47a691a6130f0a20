/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "daemon/ctl/pieces.h"

void pieces_begin(struct pieces *pieces, FILE *to, enum control_verb verb, bool json)
{
    *pieces = (struct pieces){.to = to, .verb = verb, .json = json};
    if (json)
        json_begin_pieces(&pieces->of_json, to, verb);
}

static bool are_lines(const struct answer *answer)
{
    return answer->count > 0 && strcmp(answer->records[0].kind, "line") == 0;
}

/* As they are to be imported: with their tab, and nothing that a terminal would obey. */
static void print_lines(FILE *to, const struct answer *answer)
{
    for (int i = 0; i < answer->count; i++) {
        for (const char *at = answer_text(&answer->records[i], "text"); *at != '\0'; at++)
            fputc((*at >= ' ' && *at <= '~') || *at == '\t' ? *at : '?', to);
        fputc('\n', to);
    }
}

void pieces_take(void *context, const struct answer *answer)
{
    struct pieces *pieces = context;
    if (pieces->json)
        json_print_piece(&pieces->of_json, answer);
    else if (are_lines(answer))
        print_lines(pieces->to, answer);
    else
        table_print_piece(pieces->to, &pieces->of_table, answer);
}

void pieces_end(struct pieces *pieces, const struct answer *answer, const char *unheard)
{
    pieces_take(pieces, answer);
    if (pieces->json)
        json_end_pieces(&pieces->of_json, answer, unheard);
    else
        table_print_end(pieces->to, pieces->verb, &pieces->of_table, answer);
}
