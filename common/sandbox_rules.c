/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/sandbox_internal.h"

/* The kernel knows which calls are allowed whatever their arguments, and asks no program for those: so what is called
 * for each command of a session has no condition. What has one says what is allowed, never what is not: the kernel
 * looks at 32 bits of a descriptor, the list at 64, and an attacker fills the rest. */

/* clang-format off */
#define THE_WORKER      (1u << SANDBOX_WORKER)
#define THE_STOREKEEPER (1u << SANDBOX_STOREKEEPER)
#define BOTH            (THE_WORKER | 1u << SANDBOX_HOUSEKEEPER)
#define ALL             (BOTH | THE_STOREKEEPER)

#define ALLOW(name, ...)       {.call = SCMP_SYS(name), .who = ALL, __VA_ARGS__}
#define NETWORK(name, ...)     {.call = SCMP_SYS(name), .who = BOTH, __VA_ARGS__}
#define STORE(name, ...)       {.call = SCMP_SYS(name), .who = THE_STOREKEEPER, __VA_ARGS__}
#define WORKER(name, ...)      {.call = SCMP_SYS(name), .who = THE_WORKER, __VA_ARGS__}
#define FAIL(name, with, ...)  {.call = SCMP_SYS(name), .who = ALL, .answer = SANDBOX_FAIL, .error = (with), __VA_ARGS__}
#define NO_LISTENER            .descriptor = SANDBOX_NO_LISTENER
#define ONE_OF_ITS_OWN         .descriptor = SANDBOX_OWN
#define WHEN(...)              .arguments = {__VA_ARGS__}

/* The arguments, in order. */
#define ANY             {0, 0, 0}
#define IS(value)       {SCMP_CMP_EQ, (uint64_t)(value), 0}
#define IS_NOT(value)   {SCMP_CMP_NE, (uint64_t)(value), 0}
#define LACKS(bits)     {SCMP_CMP_MASKED_EQ, (uint64_t)(bits), 0}
#define OF(mask, value) {SCMP_CMP_MASKED_EQ, (uint64_t)(mask), (uint64_t)(value)}

enum { SOCKET_TYPE = 0xf };

const struct sandbox_rule sandbox_rules[] = {
    /* sessions and probes */
    ALLOW(read), ALLOW(write), ALLOW(readv), ALLOW(writev), ALLOW(close),
    ALLOW(recvfrom), ALLOW(sendto), /* not recvmsg and sendmsg: they take descriptors in, and hand a listener out */
    ALLOW(poll), ALLOW(ppoll),
    NETWORK(epoll_create1), NETWORK(epoll_ctl), NETWORK(epoll_wait), NETWORK(epoll_pwait),
    NETWORK(getsockname), NETWORK(getpeername), ALLOW(getsockopt),
    WORKER(accept4),
    NETWORK(socket, WHEN(IS(AF_INET), OF(SOCKET_TYPE, SOCK_STREAM), IS(0))),
    NETWORK(socket, WHEN(IS(AF_INET6), OF(SOCKET_TYPE, SOCK_STREAM), IS(0))),
    NETWORK(socket, WHEN(IS(AF_INET), OF(SOCKET_TYPE, SOCK_DGRAM), IS(0))), /* the resolver */
    NETWORK(socket, WHEN(IS(AF_INET6), OF(SOCKET_TYPE, SOCK_DGRAM), IS(0))),
    ALLOW(socket, WHEN(IS(AF_UNIX))),
    ALLOW(connect, ONE_OF_ITS_OWN), /* a listener that connects to nowhere listens no more */
    NETWORK(shutdown, ONE_OF_ITS_OWN),
    ALLOW(setsockopt, NO_LISTENER, WHEN(ANY, IS(SOL_SOCKET), IS(SO_RCVTIMEO))),
    ALLOW(setsockopt, NO_LISTENER, WHEN(ANY, IS(SOL_SOCKET), IS(SO_SNDTIMEO))),
    NETWORK(setsockopt, NO_LISTENER, WHEN(ANY, IS(SOL_SOCKET), IS(SO_LINGER))),
    NETWORK(setsockopt, NO_LISTENER, WHEN(ANY, IS(IPPROTO_TCP), IS(TCP_NODELAY))),
    NETWORK(setsockopt, NO_LISTENER, WHEN(ANY, IS(IPPROTO_TCP), IS(TCP_WINDOW_CLAMP))),
    ALLOW(fcntl, NO_LISTENER, WHEN(ANY, IS(F_GETFL))),
    ALLOW(fcntl, NO_LISTENER, WHEN(ANY, IS(F_SETFL))), /* not F_DUPFD, as there is no dup */
    ALLOW(ioctl, WHEN(ANY, IS(FIONREAD))),
    FAIL(ioctl, ENOTTY, WHEN(ANY, IS_NOT(FIONREAD))),

    /* memory: nothing that is written can be executed, and no mapping of shared memory grows over its neighbours */
    ALLOW(brk), ALLOW(munmap),
    ALLOW(mmap, WHEN(ANY, ANY, LACKS(PROT_EXEC))),
    ALLOW(mprotect, WHEN(ANY, ANY, LACKS(PROT_EXEC))),
    ALLOW(madvise, WHEN(ANY, ANY, IS(MADV_DONTNEED))),
    FAIL(madvise, EINVAL, WHEN(ANY, ANY, IS_NOT(MADV_DONTNEED))), /* advice that an allocator may have from its tunables */
    FAIL(prctl, EINVAL, WHEN(IS(PR_SET_VMA))), /* names of mappings, from the same */
    FAIL(mremap, ENOMEM), /* realloc copies then */

    /* time, randomness, oneself */
    ALLOW(clock_gettime), ALLOW(gettimeofday), ALLOW(time), ALLOW(clock_nanosleep), ALLOW(nanosleep),
    ALLOW(sched_yield), ALLOW(getrandom), ALLOW(futex),
    ALLOW(getpid), ALLOW(gettid), ALLOW(getppid), ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid), ALLOW(getegid),
    ALLOW(uname), ALLOW(sysinfo),
    ALLOW(prlimit64, WHEN(IS(0), ANY, IS(0))), /* its own, to look at: sysconf */
    FAIL(sched_getaffinity, EPERM), /* the C library counts processors, for getrandom since 2.41, and takes two then */
    ALLOW(setitimer, WHEN(IS(ITIMER_PROF))), /* the watchdog */
    ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(restart_syscall),
    FAIL(rt_sigaction, EPERM), /* the handlers are set; abort tries once more to be sure */
    ALLOW(tgkill, WHEN(IS(SANDBOX_OWN_PID))), /* abort, and the end of who was refused */
    ALLOW(exit), ALLOW(exit_group),

    /* files: all that is needed was read before. Who cannot open them goes on: the C library before abort, say */
    FAIL(open, EACCES), FAIL(openat, EACCES), FAIL(newfstatat, EACCES), FAIL(stat, EACCES), FAIL(lstat, EACCES),
    FAIL(statx, EACCES), FAIL(access, EACCES), FAIL(faccessat, EACCES), FAIL(faccessat2, EACCES),
    FAIL(readlink, EACCES), FAIL(readlinkat, EACCES), ALLOW(fstat),
    {.call = SCMP_SYS(lseek), .who = BOTH, .answer = SANDBOX_FAIL, .error = ESPIPE}, /* stderr may be a file, whose place all share */

    /* the file of the memory, open since before: LMDB writes pages and makes them stay */
    STORE(pread64), STORE(pwrite64), STORE(pwritev), STORE(lseek), STORE(fdatasync), STORE(fsync), STORE(msync),
    STORE(ftruncate), STORE(fcntl, WHEN(ANY, IS(F_GETLK))), STORE(fcntl, WHEN(ANY, IS(F_SETLK))),
};
/* clang-format on */

const size_t sandbox_rule_count = sizeof(sandbox_rules) / sizeof(sandbox_rules[0]);
