/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/control_send.h"

bool control_send(int fd, struct buffer *out, int64_t deadline_ms)
{
    for (struct slice left; (left = buffer_unread(out)).size > 0;) {
        struct pollfd wanted = {.fd = fd, .events = POLLOUT};
        if (clock_poll(&wanted, 1, deadline_ms) <= 0)
            return false;
        ssize_t sent = send(fd, left.at, left.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        buffer_consume(out, sent > 0 ? (size_t)sent : 0);
    }
    buffer_clear(out);
    return true;
}
