/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/smtp/extensions.h"
#include "workers/smtp/xtext.h"
#include "workers/xclient.h"

static void print_value(struct buffer *to, const char *name, const char *value)
{
    buffer_print(to, " %s=", name);
    xtext_print(to, slice_of(value));
}

static void print_address(struct buffer *to, const char *name, const struct endpoint *of)
{
    char text[IPADDR_TEXT_MAX], value[IPADDR_TEXT_MAX + 8];
    if (of->kind != ENDPOINT_IP) {
        print_value(to, name, "[UNAVAILABLE]");
        return;
    }
    ipaddr_print(&of->address, text);
    snprintf(value, sizeof(value), "%s%s", of->address.family == 6 ? "IPV6:" : "", text);
    print_value(to, name, value);
}

static void print_port(struct buffer *to, const char *name, const struct endpoint *of)
{
    if (of->kind == ENDPOINT_IP)
        buffer_print(to, " %s=%u", name, of->port);
    else
        print_value(to, name, "[UNAVAILABLE]");
}

bool xclient_print(struct buffer *to, uint32_t attributes, const struct endpoint *client, const struct endpoint *local,
                   const char *login)
{
    size_t before = to->end;
    if ((attributes & ATTRIBUTE_ADDR) == 0)
        return false;
    buffer_put_text(to, "XCLIENT");
    if ((attributes & ATTRIBUTE_NAME) != 0)
        print_value(to, "NAME", client->kind == ENDPOINT_IP ? "[TEMPUNAVAIL]" : "[UNAVAILABLE]");
    print_address(to, "ADDR", client);
    if ((attributes & ATTRIBUTE_PORT) != 0)
        print_port(to, "PORT", client);
    if ((attributes & ATTRIBUTE_DESTADDR) != 0)
        print_address(to, "DESTADDR", local);
    if ((attributes & ATTRIBUTE_DESTPORT) != 0)
        print_port(to, "DESTPORT", local);
    if ((attributes & ATTRIBUTE_LOGIN) != 0 && login != NULL && login[0] != '\0')
        print_value(to, "LOGIN", login);
    buffer_put_text(to, "\r\n");
    return !to->overflow && to->end - before <= XCLIENT_LINE_MAX;
}
