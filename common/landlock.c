/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/landlock.h"

/* The headers of a distribution are older than the kernels it may run on. */
struct ruleset {
    uint64_t files;
    uint64_t network;
    uint64_t scoped;
};

enum { ASK_VERSION = 1 << 0 };

/* How many rights a file has for the kernel, by ABI, the first at [1]: each ABI knows those of the one before. */
static const int FILE_RIGHTS[] = {0, 13, 14, 15, 15, 16};

enum { FILE_RIGHTS_KNOWN = sizeof(FILE_RIGHTS) / sizeof(FILE_RIGHTS[0]) - 1, SCOPED_SINCE = 6 };
enum { SCOPE_ABSTRACT_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 };

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    return abi > 0 ? (int)abi : 0;
}

/* No rule: nothing of what is handled is allowed anywhere. */
bool landlock_enter(int abi)
{
    struct ruleset none = {0};
    if (abi <= 0)
        return true;
    none.files = (UINT64_C(1) << FILE_RIGHTS[abi < FILE_RIGHTS_KNOWN ? abi : FILE_RIGHTS_KNOWN]) - 1;
    if (abi >= SCOPED_SINCE)
        none.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &none, sizeof(none), 0);
    if (fd < 0)
        return false;
    bool done = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return done;
}
