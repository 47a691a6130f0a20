/* SPDX-License-Identifier: ISC */
#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/net.h"

#include "workers/dns_answer.h"

enum { TRIES = 3, EDNS_BYTES = 1232, EVENTS_MAX = 8, MS_PER_S = 1000, US_PER_MS = 1000 };

/* A channel for each: when TCP fails, c-ares gives up all that it asked the same server, by UDP too. */
enum by { BY_UDP, BY_TCP, CHANNELS };

struct dns {
    const struct resolver *resolver;
    struct wait *wait;
    struct wait_guest guest;         /* of `wait`; fd -1 while nothing is open */
    ares_channel channels[CHANNELS]; /* NULL: nothing was asked so yet */
    int epoll;                       /* of the channels' sockets; -1: none */
    int watched;                     /* sockets in it */
    int only;                        /* the one that is in it, where nobody waits to write; -1: it has to be asked */
    int open;                        /* questions */
    int reads;                       /* of sockets, in this step */
    uint64_t heard;                  /* answers so far, whatever they were */
    bool forgets;                    /* nobody is told of what ends now */
    struct dns_answer *answer;
};

struct question {
    struct dns *dns;
    enum by by;
    enum dns_type type;
    dns_heard *heard;
    void *context;
    uint32_t ticket;
    char name[]; /* to ask again */
};

static enum io woken(struct wait_guest *guest, short revents)
{
    (void)revents;
    dns_step(guest->context);
    return IO_OK;
}

struct dns *dns_new(const struct resolver *resolver, struct wait *wait)
{
    struct dns *dns = calloc(1, sizeof(*dns));
    if (dns == NULL)
        return NULL;
    dns->resolver = resolver;
    dns->wait = wait;
    dns->epoll = dns->only = -1;
    dns->guest = (struct wait_guest){.fd = -1, .events = POLLIN, .woken = woken, .context = dns, .patient = true};
    if (wait != NULL)
        wait_invite(wait, &dns->guest);
    return dns;
}

/* -- the channels' sockets: made by us, ready for use in as few calls as can be -- */

static ares_socket_t open_socket(int family, int type, int protocol, void *context)
{
    (void)context;
    (void)protocol;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd >= 0 && type == SOCK_STREAM && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        log_line(LEVEL_DEBUG, "no TCP_NODELAY for the resolver");
    return fd;
}

static int close_socket(ares_socket_t fd, void *context)
{
    (void)context;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t size, void *context)
{
    (void)context;
    return connect(fd, to, size);
}

static ares_ssize_t receive(ares_socket_t fd, void *at, size_t size, int flags, struct sockaddr *from,
                            ares_socklen_t *from_size, void *context)
{
    struct dns *dns = context;
    bool is_datagram = from != NULL;
    if (is_datagram && dns->reads > 0 && dns->open == 0) { /* c-ares would look for more; there is none to come */
        errno = EAGAIN;
        return -1;
    }
    dns->reads++;
    return recvfrom(fd, at, size, flags, from, from_size);
}

static ares_ssize_t send_all(ares_socket_t fd, const struct iovec *pieces, int count, void *context)
{
    (void)context;
    return writev(fd, pieces, count);
}

static const struct ares_socket_functions sockets = {open_socket, close_socket, connect_socket, receive, send_all};

static void watch_socket(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = context;
    struct epoll_event event = {.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u), .data.fd = fd};
    bool is_first = dns->watched == 0;
    if (event.events == 0)
        dns->watched -= epoll_ctl(dns->epoll, EPOLL_CTL_DEL, fd, &event) == 0;
    else if (epoll_ctl(dns->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        dns->watched++;
    else if (errno != EEXIST || epoll_ctl(dns->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
        log_line(LEVEL_DEBUG, "a socket of the resolver cannot be watched"); /* its questions end by their time */
    dns->only = is_first && event.events == EPOLLIN ? fd : -1;
}

/* -- the channels -- */

/* c-ares draws the ids of its questions from /dev/urandom, which cannot be opened here, or else from rand(). Whoever
 * would guess them from their like sees none: they go to the resolver alone. */
static void seed(void)
{
    unsigned number;
    if (getrandom(&number, sizeof(number), 0) == sizeof(number))
        srand(number);
}

/* From elsewhere answers can be forged by who guesses the port, so each burst of questions has another one. On this
 * machine nobody else can: the socket stays, which saves half of what a question costs. */
static int stay_open(const struct resolver *resolver)
{
    for (int i = 0; i < resolver->count; i++)
        if (!ipaddr_is_loopback(&resolver->servers[i].address))
            return 0;
    return ARES_FLAG_STAYOPEN;
}

/* Where all of this is said, c-ares looks for no file. */
static int make_channel(struct dns *dns, enum by by)
{
    int flags = by == BY_TCP ? ARES_FLAG_USEVC : ARES_FLAG_IGNTC | ARES_FLAG_EDNS | stay_open(dns->resolver);
    struct ares_options options = {.flags = flags | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                   .timeout = (int)dns->resolver->try_ms,
                                   .tries = TRIES,
                                   .ndots = 1,
                                   .ednspsz = EDNS_BYTES,
                                   .lookups = (char[]){"b"},
                                   .servers = &(struct in_addr){htonl(INADDR_LOOPBACK)},
                                   .nservers = 1,
                                   .sock_state_cb = watch_socket,
                                   .sock_state_cb_data = dns};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_EDNSPSZ |
               ARES_OPT_LOOKUPS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB;
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    return status == ARES_SUCCESS ? ares_init_options(&dns->channels[by], &options, mask) : status;
}

static int name_servers(const struct dns *dns, enum by by)
{
    struct ares_addr_port_node nodes[RESOLVER_SERVERS_MAX];
    for (int i = 0; i < dns->resolver->count; i++) {
        const struct endpoint *server = &dns->resolver->servers[i];
        bool is_v6 = server->address.family == 6;
        nodes[i] = (struct ares_addr_port_node){.next = i + 1 < dns->resolver->count ? &nodes[i + 1] : NULL,
                                                .family = is_v6 ? AF_INET6 : AF_INET,
                                                .udp_port = server->port,
                                                .tcp_port = server->port};
        memcpy(&nodes[i].addr, server->address.bytes, is_v6 ? 16 : 4);
    }
    return ares_set_servers_ports(dns->channels[by], nodes);
}

static void close_channel(struct dns *dns, enum by by)
{
    if (dns->channels[by] != NULL)
        ares_destroy(dns->channels[by]);
    dns->channels[by] = NULL;
}

static bool open_channel(struct dns *dns, enum by by)
{
    if (dns->channels[by] != NULL)
        return true;
    seed();
    if (make_channel(dns, by) == ARES_SUCCESS && name_servers(dns, by) == ARES_SUCCESS) {
        ares_set_socket_functions(dns->channels[by], &sockets, dns);
        return true;
    }
    close_channel(dns, by);
    return false;
}

/* What the first question needs. */
static bool open_all(struct dns *dns)
{
    if (dns->answer == NULL)
        dns->answer = malloc(sizeof(*dns->answer));
    if (dns->epoll < 0)
        dns->epoll = epoll_create1(EPOLL_CLOEXEC);
    return dns->answer != NULL && dns->epoll >= 0 && open_channel(dns, BY_UDP);
}

static void close_all(struct dns *dns)
{
    close_channel(dns, BY_UDP);
    close_channel(dns, BY_TCP);
    free(dns->answer);
    dns->answer = NULL;
}

bool dns_rest(struct dns *dns)
{
    if (dns->open > 0)
        return false;
    if (dns->answer != NULL) {
        close_all(dns);
        malloc_trim(0);
    }
    return true;
}

void dns_free(struct dns **dns)
{
    if (*dns == NULL)
        return;
    dns_forget(*dns);
    close_all(*dns);
    if ((*dns)->epoll >= 0)
        close((*dns)->epoll);
    if ((*dns)->wait != NULL)
        wait_dismiss((*dns)->wait, &(*dns)->guest);
    free(*dns);
    *dns = NULL;
}

/* -- questions and answers -- */

/* What c-ares makes of codes that it does not know is no matter: the answer is asked itself. */
static enum dns_status status_of(struct dns *dns, enum dns_type type, int status, const unsigned char *octets, int size)
{
    if (octets != NULL && (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND))
        return dns_answer_parse(dns->answer, type, octets, size);
    dns->answer->count = 0;
    dns->answer->cut = false;
    return DNS_FAILED;
}

static void settle(void *context, int status, int timeouts, unsigned char *octets, int size);

static void put(struct question *question)
{
    static const int types[DNS_TYPES] = {
        [DNS_A] = ns_t_a, [DNS_AAAA] = ns_t_aaaa, [DNS_MX] = ns_t_mx, [DNS_PTR] = ns_t_ptr, [DNS_TXT] = ns_t_txt};
    ares_query(question->dns->channels[question->by], question->name, ns_c_in, types[question->type], settle, question);
}

/* It did not fit: RFC 7766 section 5. */
static bool goes_on_by_tcp(struct question *question, const unsigned char *octets, int size)
{
    bool is_cut = octets != NULL && size >= NS_HFIXEDSZ && (octets[2] & 2) != 0;
    if (!is_cut || question->by == BY_TCP || question->dns->forgets || !open_channel(question->dns, BY_TCP))
        return false;
    question->by = BY_TCP;
    return true;
}

static void settle(void *context, int status, int timeouts, unsigned char *octets, int size)
{
    struct question *question = context;
    struct dns *dns = question->dns;
    (void)timeouts;
    if (goes_on_by_tcp(question, octets, size)) {
        put(question);
        return;
    }
    dns->heard++;
    if (!dns->forgets) {
        enum dns_status found = status_of(dns, question->type, status, octets, size);
        question->heard(question->context, question->ticket, found, dns->answer->records, dns->answer->count,
                        dns->answer->cut);
    }
    dns->open--; /* not before: whoever hears of it might wait, and rest, and all of this would be gone */
    free(question);
}

/* Where there is one socket, as there mostly is, it is waited for by itself: epoll would have to be asked again. */
static int fd_to_wait_for(const struct dns *dns)
{
    return dns->only >= 0 ? dns->only : dns->epoll;
}

/* Only what is open can wake a wait. */
static void be_guest(struct dns *dns)
{
    dns->guest.fd = dns->open > 0 ? fd_to_wait_for(dns) : -1;
}

void dns_ask(struct dns *dns, enum dns_type type, const char *name, dns_heard *heard, void *context, uint32_t ticket)
{
    size_t size = strlen(name) + 1;
    struct question *question = malloc(sizeof(*question) + size);
    if (question == NULL || !open_all(dns)) {
        free(question);
        heard(context, ticket, DNS_FAILED, NULL, 0, false);
        return;
    }
    *question = (struct question){dns, BY_UDP, type, heard, context, ticket};
    memcpy(question->name, name, size);
    dns->open++;
    put(question);
    be_guest(dns);
}

void dns_forget(struct dns *dns)
{
    if (dns->open == 0)
        return;
    dns->forgets = true;
    for (int by = 0; by < CHANNELS; by++)
        if (dns->channels[by] != NULL)
            ares_cancel(dns->channels[by]);
    dns->forgets = false;
    be_guest(dns);
}

int dns_fd(const struct dns *dns)
{
    return dns->epoll;
}

int64_t dns_next_ms(const struct dns *dns)
{
    struct timeval left, *next = NULL;
    for (int by = 0; dns->open > 0 && by < CHANNELS; by++)
        if (dns->channels[by] != NULL)
            next = ares_timeout(dns->channels[by], next, &left);
    if (next == NULL)
        return CLOCK_NEVER;
    return clock_ms() + (int64_t)next->tv_sec * MS_PER_S + next->tv_usec / US_PER_MS + 1;
}

/* Each channel knows its own sockets. */
static void process(struct dns *dns, ares_socket_t readable, ares_socket_t writable)
{
    for (int by = 0; by < CHANNELS; by++)
        if (dns->channels[by] != NULL)
            ares_process_fd(dns->channels[by], readable, writable);
}

void dns_step(struct dns *dns)
{
    struct epoll_event events[EVENTS_MAX] = {{.events = EPOLLIN, .data.fd = dns->only}};
    dns->reads = 0;
    int count = dns->only >= 0 ? 1 : dns->epoll >= 0 ? epoll_wait(dns->epoll, events, EVENTS_MAX, 0) : -1;
    for (int i = 0; i < count; i++) {
        bool reads = (events[i].events & ~(uint32_t)EPOLLOUT) != 0, writes = (events[i].events & EPOLLOUT) != 0;
        process(dns, reads ? events[i].data.fd : ARES_SOCKET_BAD, writes ? events[i].data.fd : ARES_SOCKET_BAD);
    }
    if (count <= 0)
        process(dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* those whose time is over */
    be_guest(dns);
}

enum io dns_wait(struct dns *dns, int64_t deadline_ms)
{
    uint64_t before = dns->heard;
    while (dns->open > 0 && dns->heard == before) {
        int64_t next_ms = dns_next_ms(dns);
        enum io io = wait_for(dns->wait, fd_to_wait_for(dns), POLLIN, next_ms < deadline_ms ? next_ms : deadline_ms);
        if (io != IO_OK && io != IO_LATE)
            return io;
        dns_step(dns);
        if (dns->heard == before && clock_ms() >= deadline_ms)
            return IO_LATE;
    }
    return dns->heard != before ? IO_OK : IO_LATE;
}
