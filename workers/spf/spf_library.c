/* SPDX-License-Identifier: ISC */
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <spf2/spf.h>

#include "common/exit_status.h"
#include "common/log.h"
#include "workers/smtp/address.h"
#include "workers/spf/spf_library.h"
#include "workers/spf/spf_record.h"

#define MARK_MX_NAME  "\002."
#define MARK_PTR_NAME "\003."

enum { MAILBOX_MAX = PATH_MAX_OCTETS + 16 };

/* libspf2 calls it without memory, and where it does not know its own state; abort() follows if it returns. */
static void leave(const char *file, int line, const char *text) __attribute__((noreturn));
static void leave(const char *file, int line, const char *text)
{
    (void)file;
    log_line(LEVEL_ERROR, "libspf2 gave up (line %d): %s", line, text);
    log_report_drops();
    _exit(WORKER_SHORT);
}

static void must_have(const void *memory)
{
    if (memory == NULL)
        leave("", 0, "no memory");
}

/* -- what libspf2 asks of DNS -- */

struct asked {
    enum spf_asked_by by;
    bool any; /* of a prefix of 0 bits: the client's own address for an answer */
    const char *name;
};

static bool take_mark(const char **name, const char *mark)
{
    size_t size = strlen(mark);
    bool is_there = strncmp(*name, mark, size) == 0;
    *name += is_there ? size : 0;
    return is_there;
}

static struct asked read_marks(const char *domain, ns_type type)
{
    struct asked asked = {.by = type == ns_t_ptr ? SPF_BY_PTR : SPF_BY_TERM, .name = domain};
    if (take_mark(&asked.name, MARK_MX_NAME))
        asked.by = SPF_BY_MX_NAME;
    else if (take_mark(&asked.name, MARK_PTR_NAME))
        asked.by = SPF_BY_PTR_NAME;
    asked.any = take_mark(&asked.name, SPF_MARK_ANY);
    return asked;
}

static void add_octets(SPF_dns_rr_t *rr, const void *octets, size_t size)
{
    if (SPF_dns_rr_buf_realloc(rr, rr->num_rr, size) != SPF_E_SUCCESS)
        leave("", 0, "no memory");
    memcpy(rr->rr[rr->num_rr++], octets, size);
}

static void add_addresses(SPF_dns_rr_t *rr, const struct lookup *lookup, const struct ipaddr *own)
{
    uint8_t family = lookup->type == DNS_A ? 4 : 6;
    size_t size = family == 4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    if (own != NULL && own->family == family) {
        add_octets(rr, own->bytes, size);
        return;
    }
    for (int i = 0; i < lookup->count; i++)
        if (lookup->records[i].address.family == family)
            add_octets(rr, lookup->records[i].address.bytes, size);
}

static void add_names(SPF_dns_rr_t *rr, const struct lookup *lookup, const char *mark, bool any)
{
    char marked[sizeof(MARK_MX_NAME SPF_MARK_ANY) + DNS_NAME_MAX];
    for (int i = 0; i < lookup->count && i < SPF_NAMES_MAX; i++) {
        const char *name = lookup->records[i].name;
        if (name[0] == '\0') /* a null MX (RFC 7505) */
            continue;
        snprintf(marked, sizeof(marked), "%s%s%s", mark, any ? SPF_MARK_ANY : "", name);
        add_octets(rr, marked, strlen(marked) + 1);
    }
}

static void add_records(struct spf_run *run, SPF_dns_rr_t *rr, const struct lookup *lookup, bool any)
{
    switch (lookup->type) {
    case DNS_A:
    case DNS_AAAA:
        add_addresses(rr, lookup, any ? &run->question->client : NULL);
        break;
    case DNS_MX:
        if (lookup->count > SPF_NAMES_MAX || lookup->cut)
            spf_run_end(run, SPF_PERMERROR, "%s has more than %d MX", lookup->name, SPF_NAMES_MAX);
        else
            add_names(rr, lookup, MARK_MX_NAME, any);
        break;
    case DNS_PTR:
        add_names(rr, lookup, MARK_PTR_NAME, false);
        break;
    case DNS_TXT:
    case DNS_TYPES:
        break;
    }
}

static enum dns_type type_of(ns_type type)
{
    return type == ns_t_a ? DNS_A : type == ns_t_aaaa ? DNS_AAAA : type == ns_t_mx ? DNS_MX : DNS_PTR;
}

/* Never NULL: libspf2 would give up. TRY_AGAIN is what unwinds it at once, from wherever it is. */
static SPF_dns_rr_t *look_up(SPF_dns_server_t *server, const char *domain, ns_type type, int unused)
{
    (void)unused;
    struct spf_run *run = server->hook;
    struct asked asked = read_marks(domain, type);
    const struct lookup *lookup = spf_run_ask(run, asked.by, type_of(type), asked.name);
    SPF_dns_rr_t *rr = SPF_dns_rr_new_init(server, NULL, type, 0, NETDB_SUCCESS);
    must_have(rr);
    if (lookup != NULL)
        add_records(run, rr, lookup, asked.any);
    if (rr->num_rr == 0)
        rr->herrno = HOST_NOT_FOUND;
    if (run->is_over)
        rr->herrno = TRY_AGAIN;
    return rr;
}

/* -- records -- */

/* Where a term wants to know it: libspf2 would look for it, too, and count that nowhere. */
static void name_client(struct spf_run *run, SPF_request_t *request, struct slice term)
{
    if (memmem(term.at, term.size, "%{p", 3) == NULL && memmem(term.at, term.size, "%{P", 3) == NULL)
        return;
    free(request->client_dom);
    must_have(request->client_dom = strdup(spf_run_client_name(run)));
}

/* One term, which must be there afterwards: libspf2 leaves out in silence what it has no room for. */
static SPF_record_t *compile(struct spf_run *run, SPF_server_t *server, SPF_response_t *response, struct slice term)
{
    char text[SPF_REWRITTEN_MAX];
    SPF_record_t *record = NULL;
    snprintf(text, sizeof(text), "v=spf1 %.*s", SLICE_ARGS(term));
    name_client(run, response->spf_request, term);
    if (SPF_record_compile(server, response, &record, text) == SPF_E_SUCCESS && record != NULL && record->num_mech == 1)
        return record;
    if (record != NULL)
        SPF_record_free(record);
    spf_run_end(run, SPF_PERMERROR, "libspf2 does not take %.*s", SLICE_ARGS(term));
    return NULL;
}

/* By hand, since SPF_record_compile stops at 511 octets. */
static void append(SPF_record_t *all, SPF_record_t *one)
{
    void *memory = realloc(all->mech_first, all->mech_len + one->mech_len);
    must_have(memory);
    all->mech_first = memory;
    memcpy((char *)memory + all->mech_len, one->mech_first, one->mech_len);
    all->mech_len += one->mech_len;
    all->mech_size = all->mech_len;
    all->num_mech++;
    SPF_record_free(one);
}

/* Of an include or redirect. */
static SPF_errcode_t get_record(SPF_server_t *server, SPF_request_t *request, SPF_response_t *response,
                                SPF_record_t **record_out)
{
    struct spf_run *run = server->resolver->hook;
    char text[SPF_REWRITTEN_MAX];
    struct buffer terms;
    buffer_init(&terms, text, sizeof(text));
    if (!spf_run_load(run, SPF_BY_TERM, request->cur_dom, &terms)) {
        spf_run_end(run, SPF_PERMERROR, "%s has no SPF record", request->cur_dom);
        return SPF_E_NOT_SPF;
    }
    must_have(*record_out = SPF_record_new(server, ""));
    for (struct slice rest = buffer_unread(&terms); rest.size > 0;) {
        SPF_record_t *one = compile(run, server, response, slice_take_until(&rest, ' '));
        if (one == NULL)
            return SPF_E_NOT_SPF;
        append(*record_out, one);
    }
    return SPF_E_SUCCESS;
}

/* An explanation is never looked for: none is in what was rewritten. */
static SPF_errcode_t get_explanation(SPF_server_t *server, const char *domain, char **text, size_t *size)
{
    (void)server, (void)domain, (void)text, (void)size;
    return SPF_E_SUCCESS;
}

/* -- the evaluation -- */

static enum spf_result result_of(SPF_result_t result)
{
    return result == SPF_RESULT_PASS       ? SPF_PASS
           : result == SPF_RESULT_FAIL     ? SPF_FAIL
           : result == SPF_RESULT_SOFTFAIL ? SPF_SOFTFAIL
           : result == SPF_RESULT_NEUTRAL  ? SPF_NEUTRAL
                                           : SPF_PERMERROR;
}

/* Ends the run where the term settles it. */
static void evaluate_term(struct spf_run *run, SPF_request_t *request, struct slice term)
{
    SPF_response_t *response = SPF_response_new(request);
    must_have(response);
    SPF_record_t *record = compile(run, request->spf_server, response, term);
    if (record != NULL) {
        response->spf_record_exp = record;
        SPF_record_interpret(record, request, response, 0);
        if (response->reason != SPF_REASON_DEFAULT)
            spf_run_end(run, result_of(response->result), "%.*s", SLICE_ARGS(term));
        SPF_record_free(record);
    }
    SPF_response_free(response);
}

static void evaluate(struct spf_run *run, SPF_request_t *request, const char *domain)
{
    char text[SPF_REWRITTEN_MAX];
    struct buffer terms;
    buffer_init(&terms, text, sizeof(text));
    if (!spf_run_load(run, SPF_BY_START, domain, &terms)) {
        spf_run_end(run, SPF_NONE, "%s has no SPF record", domain);
        return;
    }
    for (struct slice rest = buffer_unread(&terms); rest.size > 0 && !run->is_over;) {
        struct slice term = slice_take_until(&rest, ' ');
        request->cur_dom = domain;
        evaluate_term(run, request, term);
    }
    spf_run_end(run, SPF_NEUTRAL, "no term of %s matches", domain);
}

/* What is no printable ASCII becomes an octet that no name may hold: a term with it matches nothing (RFC 8616). */
static void copy_clean(char *to, size_t size, struct slice from)
{
    size_t end = from.size < size - 1 ? from.size : size - 1;
    for (size_t i = 0; i < end; i++)
        to[i] = from.at[i] < ' ' || from.at[i] > '~' ? '\177' : from.at[i];
    to[end] = '\0';
}

static void set_client(SPF_request_t *request, const struct spf_question *question)
{
    struct in_addr four;
    struct in6_addr six;
    memcpy(&four, question->client.bytes, sizeof(four));
    memcpy(&six, question->client.bytes, sizeof(six));
    if (question->client.family == 4)
        SPF_request_set_ipv4(request, four);
    else
        SPF_request_set_ipv6(request, six);
    must_have(request->client_dom = strdup("unknown"));
}

static void set_names(SPF_request_t *request, const struct spf_question *question)
{
    char text[MAILBOX_MAX];
    copy_clean(text, sizeof(text), question->helo);
    if (SPF_request_set_helo_dom(request, text) != SPF_E_SUCCESS)
        leave("", 0, "no memory");
    if (question->sender.size > 0)
        copy_clean(text, sizeof(text), question->sender);
    if (SPF_request_set_env_from(request, text) != SPF_E_SUCCESS)
        leave("", 0, "no memory");
}

static void set_server(SPF_server_t *server, const struct spf_question *question)
{
    SPF_response_t *said = NULL;
    must_have(server);
    SPF_server_set_sanitize(server, 1);
    SPF_server_set_explanation(server, "-", &said);
    SPF_response_free(said);
    if (SPF_server_set_rec_dom(server, question->hostname) != SPF_E_SUCCESS)
        leave("", 0, "no memory");
}

void spf_library_run(struct spf_run *run, const char *domain)
{
    SPF_dns_server_t dns = {
        .lookup = look_up, .get_spf = get_record, .get_exp = get_explanation, .name = "postern", .hook = run};
    SPF_error_handler = leave;
    SPF_warning_handler = SPF_info_handler = SPF_debug_handler = NULL;
    SPF_server_t *server = SPF_server_new_dns(&dns, 0);
    set_server(server, run->question);
    SPF_request_t *request = SPF_request_new(server);
    must_have(request);
    set_client(request, run->question);
    set_names(request, run->question);
    evaluate(run, request, domain);
    SPF_request_free(request);
    SPF_server_free(server);
}
