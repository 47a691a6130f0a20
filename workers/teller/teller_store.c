/* SPDX-License-Identifier: ISC
 *
 * posternctl store: check and export; import is a unit of its own.
 */
#include "common/clock.h"
#include "common/scoreboard.h"

#include "workers/teller/teller_internal.h"

static _Noreturn void check(struct teller *t)
{
    static const char *const plurals[STORE_KINDS] = {
        [STORE_GREY] = "greylist",  [STORE_ALLOWANCE] = "allowances", [STORE_NETWORK] = "networks",
        [STORE_DOMAIN] = "domains", [STORE_TRAP] = "traps",
    };
    uint64_t records[STORE_KINDS] = {0};
    const char *why = NULL;
    teller_need_shelf(t);
    teller_settle(t, TELLER_READ_MS);
    enum shelf_result result = shelf_verify(t->shelf, records, &why);
    if (result != SHELF_DONE)
        teller_complain_of_shelf(t, result, why);
    struct buffer *to = teller_record(t, "sound");
    control_flag(to, "sound", true);
    for (int kind = 0; kind < STORE_KINDS; kind++)
        control_number(to, plurals[kind], (int64_t)records[kind]);
    control_end(to);
    teller_end(t);
}

static bool print_line(void *context, struct slice key, const struct store_record *record)
{
    struct teller *t = context;
    char memory[STORE_LINE_MAX];
    struct buffer line;
    buffer_init(&line, memory, sizeof(memory));
    store_line_print(&line, key, record);
    struct buffer *to = teller_record(t, "line");
    control_text(to, "text", buffer_unread(&line));
    control_end(to);
    return teller_has_room(t);
}

static _Noreturn void export(struct teller *t)
{
    teller_settle(t, TELLER_READ_MS);
    teller_walk(t, slice_make("", 0), print_line, t);
    teller_end(t);
}

void teller_store(struct teller *t)
{
    if (teller_is_word(t, 0, "check"))
        check(t);
    if (teller_is_word(t, 0, "export"))
        export(t);
    if (teller_is_word(t, 0, "import"))
        teller_import(t);
    teller_complain(t, "that is none of what can be done here", "check, export or import");
}
