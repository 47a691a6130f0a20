/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/smtp/xtext.h"
#include "workers/xclient.h"

static const char UNAVAILABLE[] = "[UNAVAILABLE]";

static void print_value(struct buffer *to, const char *name, const char *value)
{
    buffer_print(to, " %s=", name);
    xtext_print(to, slice_of(value));
}

static void print_address(struct buffer *to, const char *name, const struct endpoint *of)
{
    char text[IPADDR_TEXT_MAX], value[IPADDR_TEXT_MAX + 8];
    if (of->kind != ENDPOINT_IP) {
        print_value(to, name, UNAVAILABLE);
        return;
    }
    ipaddr_print(&of->address, text);
    snprintf(value, sizeof(value), "%s%s", of->address.family == 6 ? "IPV6:" : "", text);
    print_value(to, name, value);
}

static void print_port(struct buffer *to, const char *name, const struct endpoint *of)
{
    if (of->kind == ENDPOINT_IP && of->port != 0)
        buffer_print(to, " %s=%u", name, of->port);
    else
        print_value(to, name, UNAVAILABLE);
}

/* A client without an address has no name either; of others somebody may find it out. */
static void print_name(struct buffer *to, enum attribute which, const struct attribute_value *value,
                       const struct inside_client *who)
{
    struct attribute_value unknown = {.state = ATTRIBUTE_TEMPUNAVAIL};
    if (who->client->kind != ENDPOINT_IP)
        unknown.state = ATTRIBUTE_UNAVAILABLE;
    bool said = value != NULL && value->state != ATTRIBUTE_NOT_SAID;
    attributes_print(to, which, said ? value : &unknown);
}

/* -- one function for each, in the order of the line -- */

static void print_own_name(struct buffer *to, const struct inside_client *who)
{
    print_name(to, ATTRIBUTE_NAME, who->name, who);
}

static void print_client(struct buffer *to, const struct inside_client *who)
{
    print_address(to, "ADDR", who->client);
}

static void print_client_port(struct buffer *to, const struct inside_client *who)
{
    print_port(to, "PORT", who->client);
}

static void print_login(struct buffer *to, const struct inside_client *who)
{
    if (who->login != NULL && who->login[0] != '\0')
        print_value(to, "LOGIN", who->login);
}

static void print_local(struct buffer *to, const struct inside_client *who)
{
    print_address(to, "DESTADDR", who->local);
}

static void print_local_port(struct buffer *to, const struct inside_client *who)
{
    print_port(to, "DESTPORT", who->local);
}

static void print_reverse_name(struct buffer *to, const struct inside_client *who)
{
    print_name(to, ATTRIBUTE_REVERSE_NAME, who->reverse_name, who);
}

/* Both are said again by the EHLO that follows, and are not known where inside is reached before it. */
static void print_protocol(struct buffer *to, const struct inside_client *who)
{
    if (who->helo != NULL && who->helo[0] != '\0' && who->esmtp != NULL)
        print_value(to, "PROTO", *who->esmtp ? "ESMTP" : "SMTP");
}

static void print_helo(struct buffer *to, const struct inside_client *who)
{
    if (who->helo != NULL && who->helo[0] != '\0')
        print_value(to, "HELO", who->helo);
}

static const struct row {
    enum attribute which;
    bool can_be_left_out;
    void (*print)(struct buffer *to, const struct inside_client *who);
} rows[] = {
    {ATTRIBUTE_NAME, false, print_own_name},
    {ATTRIBUTE_ADDR, false, print_client},
    {ATTRIBUTE_PORT, false, print_client_port},
    {ATTRIBUTE_LOGIN, false, print_login},
    {ATTRIBUTE_DESTADDR, true, print_local},
    {ATTRIBUTE_DESTPORT, true, print_local_port},
    {ATTRIBUTE_REVERSE_NAME, true, print_reverse_name},
    {ATTRIBUTE_PROTO, true, print_protocol},
    {ATTRIBUTE_HELO, true, print_helo},
};

bool xclient_print(struct buffer *to, uint32_t attributes, const struct inside_client *who)
{
    size_t begin = to->end;
    if ((attributes & ATTRIBUTE_ADDR) == 0)
        return false;
    buffer_put_text(to, "XCLIENT");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t before = to->end;
        if ((attributes & (uint32_t)rows[i].which) == 0)
            continue;
        rows[i].print(to, who);
        if (rows[i].can_be_left_out && to->end - begin + 2 > XCLIENT_LINE_MAX)
            to->end = before;
    }
    buffer_put_text(to, "\r\n");
    return !to->overflow && to->end - begin <= XCLIENT_LINE_MAX;
}
