/* SPDX-License-Identifier: ISC
 *
 * The posternd of a next version, for test_upgrade: as good as the present one, unless POSTERN_NEXT says how it fails:
 *
 *     trial-crash trial-hang trial-silent    when it is tried
 *     crash abort exit hang                  after it has taken the place, before it serves
 *     workers                                its workers end as soon as they are made
 *     some                                   .. those of the listener "second"; the others serve
 *     layout                                 it fails at nothing, but its scoreboard is another
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/exit_status.h"
#include "common/scoreboard.h"
#include "common/version.h"

#include "workers/service.h"
#include "workers/worker.h"

#include "daemon/master.h"
#include "daemon/takeover.h"

const char postern_version[] = "0.1-next"; /* in the place of common/version's */

int __real_master_run(const struct master_setup *setup);
int __wrap_master_run(const struct master_setup *setup);
_Noreturn void __wrap_worker_main(const struct worker_setup *setup);
int64_t __real_scoreboard_layout(void);
int64_t __wrap_scoreboard_layout(void);

static bool wants(const char *how)
{
    const char *wish = getenv("POSTERN_NEXT");
    return wish != NULL && strcmp(wish, how) == 0;
}

static void hang(void)
{
    for (;;)
        pause();
}

/* Without the sanitizer's word about it. */
static void crash_on_trial(void)
{
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    raise(SIGSEGV);
}

static void fail_on_trial(void)
{
    if (wants("trial-crash"))
        crash_on_trial();
    if (wants("trial-hang"))
        hang();
    if (wants("trial-silent"))
        _exit(EXIT_SUCCESS);
}

static void fail_in_place(void)
{
    if (wants("crash"))
        raise(SIGSEGV);
    if (wants("abort"))
        abort();
    if (wants("exit"))
        exit(EXIT_FAILURE);
    if (wants("hang"))
        hang();
}

int __wrap_master_run(const struct master_setup *setup)
{
    if (setup->takeover->how == TAKEOVER_TRIAL)
        fail_on_trial();
    if (setup->takeover->how == TAKEOVER_TO)
        fail_in_place();
    return __real_master_run(setup);
}

_Noreturn void __real_worker_main(const struct worker_setup *setup);

void __wrap_worker_main(const struct worker_setup *setup)
{
    const struct service *service = setup->service;
    if (wants("workers") || (wants("some") && strcmp(service->listener, "second") == 0))
        _exit(WORKER_BROKEN);
    __real_worker_main(setup);
}

int64_t __wrap_scoreboard_layout(void)
{
    return __real_scoreboard_layout() + wants("layout");
}
