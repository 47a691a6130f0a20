/* SPDX-License-Identifier: ISC
 *
 * nodelay - a library for LD_PRELOAD that sets TCP_NODELAY on every TCP connection a program takes or makes.
 *
 * For a front that has no option for it: Nagle's algorithm and the other side's delayed acknowledgement would make it
 * wait 40 ms for each message, and nothing else would be measured.
 */
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int hurry(int fd)
{
    int on = 1;
    /* Other kinds of sockets refuse it, which is right. */
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int socket(int domain, int type, int protocol)
{
    static int (*real)(int, int, int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "socket");
    return hurry(real(domain, type, protocol));
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    static int (*real)(int, struct sockaddr *, socklen_t *, int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "accept4");
    return hurry(real(fd, address, size, flags));
}
