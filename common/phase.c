/* SPDX-License-Identifier: ISC */
#include "common/phase.h"

const char *phase_name(enum phase phase)
{
    static const char *const names[PHASES] = {
        [PHASE_GREETING] = "greeting", [PHASE_HELLO] = "hello",   [PHASE_MAIL] = "mail",       [PHASE_RCPT] = "rcpt",
        [PHASE_REFUSED] = "refused",   [PHASE_LOST] = "lost",     [PHASE_MESSAGE] = "message", [PHASE_CHUNK] = "chunk",
        [PHASE_COMMIT] = "commit",     [PHASE_CLOSED] = "closed",
    };
    return names[phase];
}
