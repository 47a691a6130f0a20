/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/lib/forbidden.h"

enum { PAGE = 4096, ON_VALUE = 1 };

static const int on = ON_VALUE;
static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
static const struct sockaddr_in anywhere = {.sin_family = AF_INET};
static char *const no_words[] = {NULL};
static unsigned char page[2 * PAGE] __attribute__((aligned(PAGE)));
static int pair[2];

/* clang-format off */
#define A(pointer) ((uintptr_t)(pointer))
#define CALL(name, ...)              #name, SYS_##name, .arguments = {__VA_ARGS__}
#define FAILS(name, with, ...)       #name, SYS_##name, .error = (with), .arguments = {__VA_ARGS__}
#define ON_LISTENER(name, ...)       #name, SYS_##name, .on_listener = true, .arguments = {0, __VA_ARGS__}
#define HIDDEN_LISTENER(name, ...)   #name, SYS_##name, .on_listener = true, .hidden = true, .arguments = {0, __VA_ARGS__}
#define ON_PARENT(name, ...)         #name, SYS_##name, .on_parent = true, .arguments = {0, __VA_ARGS__}

const struct forbidden forbidden_calls[] = {
    /* the gate is everybody's */
    {"shut the listener down", ON_LISTENER(shutdown, SHUT_RDWR)},
    {"shut it down, its number disguised", HIDDEN_LISTENER(shutdown, SHUT_RDWR)},
    {"stop it by connecting it to nowhere", ON_LISTENER(connect, A(&nowhere), sizeof(nowhere))},
    {"shorten its queue", ON_LISTENER(listen, 0)},
    {"make it block", ON_LISTENER(fcntl, F_SETFL, 0)},
    {"make it block, its number disguised", HIDDEN_LISTENER(fcntl, F_SETFL, 0)},
    {"set an option of it", ON_LISTENER(setsockopt, SOL_SOCKET, SO_RCVTIMEO, A(&on), sizeof(on))},
    {"filter what comes to it", ON_LISTENER(setsockopt, SOL_SOCKET, SO_LOCK_FILTER, A(&on), sizeof(on))},
    {"give it another number by dup", ON_LISTENER(dup, 0)},
    {"by dup3", ON_LISTENER(dup3, 9, 0)},
    {"by F_DUPFD", ON_LISTENER(fcntl, F_DUPFD, 0)},
    {"by F_DUPFD_CLOEXEC", ON_LISTENER(fcntl, F_DUPFD_CLOEXEC, 0)},
#ifdef SYS_dup2
    {"by dup2", ON_LISTENER(dup2, 9)},
#endif
    {"make it block by ioctl", "ioctl", SYS_ioctl, .error = ENOTTY, .on_listener = true, .arguments = {0, FIONBIO, A(&on)}},
    {"have signals for it", ON_LISTENER(fcntl, F_SETOWN, 1)},
    {"stop everybody's log", CALL(shutdown, STDERR_FILENO, SHUT_RDWR)},
    {"turn everybody's log", CALL(connect, STDERR_FILENO, A(&nowhere), sizeof(nowhere))},
    {"take a descriptor in", CALL(recvmsg, 0, 0, 0)},
    {"make a pair that could pass descriptors", CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, A(pair))},
    {"take the master's descriptors", CALL(pidfd_getfd, 0, 3, 0)},
    {"take many in", CALL(recvmmsg, 0, 0, 0, 0, 0)},
    {"hand a descriptor out", CALL(sendmsg, 0, 0, 0)},
    {"hand many out", CALL(sendmmsg, 0, 0, 0, 0)},
    {"bind a port", CALL(bind, 9, A(&anywhere), sizeof(anywhere))},
    {"open a netlink socket", CALL(socket, AF_NETLINK, SOCK_RAW, 0)},
    {"open a datagram socket that is not UDP", CALL(socket, AF_INET, SOCK_DGRAM, 1 /* ICMP */)},
    {"open one of another protocol", CALL(socket, AF_INET, SOCK_STREAM, 262 /* MPTCP */)},
    {"open one of another family, disguised", CALL(socket, AF_UNIX | UINT64_C(1) << 32, SOCK_STREAM, 0)},
    {"talk with the host of a virtual machine", CALL(socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0)},
    {"open a raw socket", CALL(socket, AF_PACKET, SOCK_RAW, 0)},
    {"set an option that is not used", CALL(setsockopt, 9, SOL_SOCKET, SO_PASSCRED, A(&on), sizeof(on))},

    /* other programs, other processes */
    {"execute", CALL(execve, A("/nonexistent"), A(no_words), A(no_words))},
    {"execute a descriptor", CALL(execveat, 0, A(""), A(no_words), A(no_words), AT_EMPTY_PATH)},
    {"make a process", CALL(clone, ~(uintptr_t)0, 0, 0, 0, 0)},
    {"make a process, the new way", CALL(clone3, 0, 0)},
#ifdef SYS_fork
    {"make a process, the old way", CALL(fork, 0)},
    {"borrow a process", CALL(vfork, 0)},
#endif
    {"signal the master", ON_PARENT(kill, 0)},
    {"signal the master's thread, disguised as its own", CALL(tgkill, 0x7fabcdef, 1, 0)},
    {"be signalled when the master ends", CALL(prctl, PR_SET_PDEATHSIG, SIGKILL)},
    {"signal all", CALL(kill, (uintptr_t)-1, 0)},
    {"signal the master's thread", ON_PARENT(tgkill, 1, 0)},
    {"signal a thread", ON_PARENT(tkill, 0)},
    {"queue a signal", ON_PARENT(rt_sigqueueinfo, 0, 0)},
    {"get a handle of the master", ON_PARENT(pidfd_open, 0)},
    {"signal by a handle", CALL(pidfd_send_signal, 0, 0, 0, 0)},
    {"trace the master", CALL(ptrace, PTRACE_TRACEME + 255, 0, 0, 0)},
    {"read its memory", ON_PARENT(process_vm_readv, 0, 0, 0, 0, 0)},
    {"write its memory", ON_PARENT(process_vm_writev, 0, 0, 0, 0, 0)},
    {"allow more of itself", CALL(prctl, PR_SET_DUMPABLE, 7)},
    {"lift a limit", CALL(prlimit64, 0, 255, A(page), 0)},
    {"look at the master's limits", ON_PARENT(prlimit64, 255, 0, 0)},
    {"be somebody else", CALL(setuid, (uintptr_t)-1)},
    {"be another kind of process", CALL(personality, 0xffffffff)},

    /* the rest of the kernel */
    {"make a ring", CALL(io_uring_setup, 0, 0)},
    {"load a program", CALL(bpf, 0xffff, 0, 0)},
    {"handle page faults", CALL(userfaultfd, ~(uintptr_t)0)},
    {"count events", CALL(perf_event_open, 0, 0, 0, 0, 0)},
    {"use a keyring", CALL(keyctl, 0xffff, 0, 0, 0)},
    {"mount", CALL(mount, 0, 0, 0, 0, 0)},
    {"have name spaces of its own", CALL(unshare, 0)},
    {"enter name spaces", CALL(setns, (uintptr_t)-1, 0)},
    {"have a root of its own", CALL(chroot, A("/nonexistent"))},
    {"have a timer that signals", CALL(timer_create, 255, 0, 0)},
    {"have another alarm", CALL(setitimer, ITIMER_REAL, 0, 0)},
    {"have a timer as a descriptor", CALL(timerfd_create, 255, 0)},
    {"watch files", CALL(inotify_init1, 0x7f)},
    {"filter itself anew", CALL(seccomp, 255, 0, 0)},
    {"run before others", CALL(sched_setscheduler, 0, 255, 0)},
    {"splice", CALL(splice, 0, 0, 0, 0, 0, 0)},

    /* memory that is executed, or a neighbour's */
    {"make memory that can be executed", CALL(mmap, 0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, (uintptr_t)-1, 0)},
    {"make its memory such", CALL(mprotect, A(page), PAGE, PROT_READ | PROT_EXEC)},
    {"name its memory", FAILS(prctl, EINVAL, PR_SET_VMA, 0, A(page), PAGE, A("x"))},
    {"grow a mapping", FAILS(mremap, ENOMEM, A(page), PAGE, 2 * PAGE, MREMAP_MAYMOVE)},
    {"put another page into a mapping", CALL(remap_file_pages, A(page), PAGE, 0, 1, 0)},
    {"make a hole in shared memory", FAILS(madvise, EINVAL, A(page), PAGE, MADV_REMOVE)},
    {"poison a page", FAILS(madvise, EINVAL, A(page), PAGE, MADV_HWPOISON)},
    {"advise another process", CALL(process_madvise, 0, 0, 0, MADV_COLD, 0)},
    {"make a hole in a file", CALL(fallocate, (uintptr_t)-1, 3, 0, PAGE)},
    {"shorten a file", CALL(ftruncate, (uintptr_t)-1, 0)},
    {"lock memory", CALL(mlock, A(page), PAGE)},
    {"make memory that can be executed, by a key", CALL(pkey_mprotect, A(page), PAGE, PROT_READ | PROT_EXEC, (uintptr_t)-1)},
    {"make a file in memory", CALL(memfd_create, A("nothing"), 0)},
    {"share memory", CALL(shmget, 0, 0, 0)},

    /* files */
    {"read a file", FAILS(openat, EACCES, (uintptr_t)AT_FDCWD, A("/etc/passwd"), O_RDONLY, 0)},
    {"open what is open", FAILS(openat, EACCES, (uintptr_t)AT_FDCWD, A("/proc/self/fd/0"), O_RDONLY, 0)},
    {"open a file the new way", CALL(openat2, (uintptr_t)AT_FDCWD, A("/nonexistent"), 0, 0)},
    {"look for a file", FAILS(newfstatat, EACCES, (uintptr_t)AT_FDCWD, A("/etc/passwd"), A(page), 0)},
    {"read a link", FAILS(readlinkat, EACCES, (uintptr_t)AT_FDCWD, A("/proc/self/exe"), A(page), PAGE)},
    {"remove a file", CALL(unlinkat, (uintptr_t)AT_FDCWD, A("/nonexistent"), 0)},
    {"change a mode", CALL(fchmodat, (uintptr_t)AT_FDCWD, A("/nonexistent"), 0)},
    {"list a directory", CALL(getdents64, (uintptr_t)-1, 0, 0)},
    {"make a pipe longer", CALL(fcntl, 9, F_SETPIPE_SZ, 1 << 20)},
    {"lock a file", CALL(flock, (uintptr_t)-1, 0)},
    {"lock a part of it", CALL(fcntl, 9, F_SETLK, 0)},
    {"move the place in a file that is shared", FAILS(lseek, ESPIPE, STDERR_FILENO, 0, SEEK_SET)},
    {"ask a terminal", FAILS(ioctl, ENOTTY, 0, TIOCSTI, 0)},
    {"ask a terminal, disguised", FAILS(ioctl, ENOTTY, 0, FIONREAD | UINT64_C(1) << 32, A(&on))},

    /* the handlers stay as they are */
    {"handle refusals itself", FAILS(rt_sigaction, EPERM, SIGSYS, 0, 0, 8)},
#ifdef __x86_64__
    {"use the numbers of x32", "1073741863", 0x40000000 + 39, .arguments = {0}},
#endif
};
/* clang-format on */

const int forbidden_count = sizeof(forbidden_calls) / sizeof(forbidden_calls[0]);

bool forbidden_try(const struct forbidden *call, int listener)
{
    const uintptr_t *a = call->arguments;
    uintptr_t first = a[0];
    if (call->on_listener)
        first = (uintptr_t)listener;
    if (call->on_parent)
        first = (uintptr_t)getppid();
    if (call->hidden)
        first |= (uintptr_t)1 << 32;
    return syscall(call->number, first, a[1], a[2], a[3], a[4], a[5]) >= 0;
}
