/* SPDX-License-Identifier: ISC
 *
 * FLAGS of a script:
 *     g  connect = greeting      x  pass_client = xclient     1, 2  proxy-v1, proxy-v2     (else: mail, none)
 *     n  bare_lf = normalise     r  received = yes            s  message_size_limit = 200  e  max_errors = 3
 *     a  auth { mode = may }     A  .. = require              X  xclient_from, xforward_from: the outside
 *     k  keywords are remembered +  two servers               m  inside answers only what the script says
 *     t  at the end time passes (else: the outside leaves)
 *     p c u 8 b y q S            not offered inside     f   XFORWARD is: see offers_of
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "workers/heard.h"
#include "workers/serve.h"
#include "workers/service.h"

#include "tests/fuzz/inside_server.h"
#include "tests/fuzz/law.h"
#include "tests/fuzz/rig.h"

struct listener {
    const char *name;
    struct session_options session;
};
struct root {
    const char *hostname;
    struct block_list listeners, backends, policies;
};

/* -- the configuration: loaded once, changed as a script wants it -- */

static const struct option_group listener_groups[] = {{session_option_rows, offsetof(struct listener, session)}, {0}};
static const struct block listener_block = {.name = "listener",
                                            .size = sizeof(struct listener),
                                            .titled = true,
                                            .needed = true,
                                            .groups = listener_groups,
                                            .title_offset = offsetof(struct listener, name)};
static struct option root_rows[] = {
    {.name = "hostname", .type = OPTION_HOSTNAME, .offset = offsetof(struct root, hostname), .required = true},
    {.name = "listener", .type = OPTION_BLOCK, .offset = offsetof(struct root, listeners), .block = &listener_block},
    {.name = "backend", .type = OPTION_BLOCK, .offset = offsetof(struct root, backends), .block = &backend_block},
    {.name = "policy", .type = OPTION_BLOCK, .offset = offsetof(struct root, policies)},
    {0}};
static const struct option_group root_groups[] = {{root_rows, 0}, {0}};
static const struct block root_block = {.size = sizeof(struct root), .groups = root_groups};

static const char text[] =
    "hostname = mx.test\n"
    "listener mx { backend = one policy = inbound auth { mode = may plaintext = yes }\n"
    "    xclient_from = 198.51.100.7 xforward_from = 198.51.100.7 }\n"
    "policy inbound { recipient { relay_domains = { \"*\" } } }\n"
    "backend one { server s1 { address = 192.0.2.1:25 } }\n"
    "backend two { server s1 { address = 192.0.2.1:25 } server s2 { address = 192.0.2.2:25 } }\n";

static const struct root *root;
static struct scoreboard board; /* in plain memory: nothing of it is left to the next session */
static struct slot slot;
static struct heard heard[SCOREBOARD_SERVERS_MAX];
static struct health health[SCOREBOARD_SERVERS_MAX];
static _Atomic uint32_t tags[1];

static struct session memory;
static struct wait waits;
static struct service service;
static struct session_options options;
static struct backend backend;
static struct policy policy;

static const char SECRET[] = "\xA7of-an-earlier-session\xA7"; /* where a session's memory was before it */

static struct session spoiled; /* what a session begins with, full of it */

static void spoil(void)
{
    char *at = (char *)&spoiled;
    for (size_t i = 0; i < sizeof spoiled; i++)
        at[i] = SECRET[i % (sizeof SECRET - 1)];
}

static void check_log(enum level level, const char *line)
{
    (void)level;
    for (const char *at = line; *at != '\0'; at++)
        law(*at >= ' ' && *at <= '~', "a control character or 8-bit octet in the log: %s", line);
}

static void tell_story(void);
static bool shows;

void rig_prepare(void)
{
    char directory[] = "/tmp/postern-fuzz-XXXXXX", path[64], why[400];
    static const struct text_list none;
    if (mkdtemp(directory) == NULL)
        abort();
    snprintf(path, sizeof path, "%s/postern.conf", directory);
    umask(077);
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    root_rows[3].block = policy_block();
    static struct config *config; /* as long as the process */
    config = config_load_with(path, &root_block, &none, why, sizeof why);
    unlink(path);
    rmdir(directory);
    law(config != NULL, "the configuration: %s", why);
    root = config_root(config);
    backend_number_servers(&root->backends, NULL, NULL);
    board = (struct scoreboard){.slot_count = 1, .tags = tags, .heard = heard, .health = health, .own = &slot};
    board.slots = (unsigned char *)&slot;
    board.orders = calloc(1, orders_bytes(1));
    spoil();
    log_to_function(check_log);
    log_set_level(LEVEL_INFO);
    shows = getenv("SHOW") != NULL;
    law_story = tell_story;
}

/* Not a PROXY header where XCLIENT may name another client: what it should say then nobody here knows. */
static enum pass_client pass_client_of(const struct script *script)
{
    if (script_has(script, 'x'))
        return PASS_CLIENT_XCLIENT;
    if (script_has(script, '1') && !script_has(script, 'X'))
        return PASS_CLIENT_PROXY_V1;
    return script_has(script, '2') && !script_has(script, 'X') ? PASS_CLIENT_PROXY_V2 : PASS_CLIENT_NONE;
}

static void configure(const struct script *script)
{
    const struct listener *listener = block_at(&root->listeners, 0);
    options = listener->session;
    backend = *(const struct backend *)block_at(&root->backends, script_has(script, '+') ? 1 : 0);
    policy = *options.policy;
    options.backend = &backend;
    options.policy = &policy;
    options.received = script_has(script, 'r');
    options.message_size_limit = script_has(script, 's') ? 200 : 0;
    options.max_errors = script_has(script, 'e') ? 3 : 20;
    options.auth.mode = script_has(script, 'A')   ? AUTH_MODE_REQUIRE
                        : script_has(script, 'a') ? AUTH_MODE_MAY
                                                  : AUTH_MODE_NONE;
    if (!script_has(script, 'X'))
        options.xclient_from.count = options.xforward_from.count = 0;
    policy.clients.bare_lf = script_has(script, 'n') ? BARE_LF_NORMALISE : BARE_LF_REJECT;
    backend.connect = script_has(script, 'g') ? CONNECT_AT_GREETING : CONNECT_AT_MAIL;
    backend.pass_client = (int)pass_client_of(script);
    service = (struct service){.hostname = root->hostname, .listener = listener->name, .session = &options};
}

static struct inside_offers offers_of(const struct script *script)
{
    return (struct inside_offers){.no_pipelining = script_has(script, 'p'),
                                  .no_chunking = script_has(script, 'c'),
                                  .no_smtputf8 = script_has(script, 'u'),
                                  .no_8bitmime = script_has(script, '8'),
                                  .no_binarymime = script_has(script, 'b'),
                                  .no_xclient = script_has(script, 'y'),
                                  .no_auth = script_has(script, 'q'),
                                  .small = script_has(script, 'S'),
                                  .xforward = script_has(script, 'f')};
}

/* -- the play -- */

enum { ALL_SAID_MAX = 100000, LONG_SAID_MAX = 70000 }; /* by the outside, where it repeats itself */

static struct {
    const struct script *script;
    int next; /* step */
    size_t cut;
    struct slice saying; /* what the outside has not said yet of a step that it says in pieces */
    size_t piece;
    struct slice again; /* and says so often again */
    size_t repeats, said;
    struct slice answers, connects; /* how the next ones go */
    struct slice exactly[SCRIPT_STEPS_MAX];
    int exactly_first, exactly_count;
    struct inside_offers offers;
    struct wire *outside, *inside; /* the last one */
    bool is_plain;
} play;

static struct witness witness;

const struct witness *rig_witness(void)
{
    return &witness;
}

bool rig_is_plain(void)
{
    return play.is_plain;
}

static void outside_takes(struct wire *wire, struct slice octets)
{
    (void)wire;
    witness_outside_takes(&witness.outside, octets);
}

static void outside_wrote(struct wire *wire, struct slice octets)
{
    (void)wire;
    witness_outside_wrote(&witness.outside, octets);
}

static void nothing(struct wire *wire)
{
    (void)wire;
}

static size_t outside_unread(const struct witness_outside *outside)
{
    (void)outside;
    return wire_unread(play.outside);
}

static void inside_takes(struct wire *wire, struct slice octets)
{
    witness_inside_takes(wire->context, octets);
}

static void inside_wrote(struct wire *wire, struct slice octets)
{
    witness_inside_wrote(wire->context, octets);
}

static void inside_saw_end(struct wire *wire)
{
    witness_inside_dies(wire->context, "its end was seen");
}

static void inside_closed(struct wire *wire)
{
    witness_inside_closed(wire->context, wire->resets);
}

static void inside_in_vain(struct wire *wire)
{
    witness_inside_dies(wire->context, "it was waited for in vain");
}

static const struct wire_owner outside_owner = {outside_takes, outside_wrote, nothing, nothing, nothing};
static const struct wire_owner inside_owner = {inside_takes, inside_wrote, inside_saw_end, inside_closed,
                                               inside_in_vain};

static char take_char(struct slice *rest)
{
    struct slice one = law_take(rest, 1);
    return one.size > 0 ? *one.at : '=';
}

enum io __wrap_net_connect(const struct endpoint *to, struct wait *wait, int64_t deadline_ms, int *fd_out);

enum io __wrap_net_connect(const struct endpoint *to, struct wait *wait, int64_t deadline_ms, int *fd_out)
{
    char how = take_char(&play.connects);
    struct witness_inside *in = how == '=' ? witness_connect(&witness) : NULL;
    struct wire *wire = in != NULL ? wire_open(&inside_owner, in) : NULL;
    (void)to;
    (void)wait;
    if (wire == NULL) {
        witness_connect_failed(&witness);
        if (how == 't')
            wire_move_time(deadline_ms);
        errno = ECONNREFUSED;
        return how == 't' ? IO_LATE : IO_LOST;
    }
    play.inside = wire;
    *fd_out = wire_fd(wire);
    return IO_OK;
}

/* What is due of inside. */
static bool answer(void)
{
    if (play.inside == NULL || !play.inside->is_open || play.inside->fin || play.inside->reset)
        return false;
    struct witness_inside *in = play.inside->context;
    bool scripted = play.exactly_first < play.exactly_count || play.answers.size > 0;
    if (in->pending == SAID_NOTHING || in->answered || (script_has(play.script, 'm') && !scripted))
        return false;
    if (play.exactly_first < play.exactly_count) {
        struct slice exactly = play.exactly[play.exactly_first++];
        in->answered = true;
        wire_send(play.inside, exactly);
        return exactly.size > 0;
    }
    if (in->pending == SAID_BDAT && play.answers.size > 0)
        play.is_plain = false; /* how many chunks there are inside depends on how the outside's octets came */
    return inside_server_answer(in, play.inside, &play.offers, take_char(&play.answers));
}

static bool say(void)
{
    if (play.saying.size == 0 && play.repeats > 0) {
        play.repeats--;
        play.saying = play.again;
    }
    if (play.saying.size == 0)
        return false;
    struct slice piece = law_take(&play.saying, play.piece);
    play.said += piece.size;
    wire_send(play.outside, piece);
    return true;
}

static size_t room_of(struct slice text_of)
{
    char c = text_of.size > 0 ? *text_of.at : '0';
    return c >= '0' && c <= '9' ? (size_t)(c - '0') * 17 : 1;
}

static void pass_time(struct slice how)
{
    static const int64_t ms[] = {1, 500, 1000, 5000, 10000, 60000, 120000, 180000, 300000, 4000000};
    char c = how.size > 0 ? *how.at : '0';
    wire_move_time(wire_now() + ms[c >= '0' && c <= '9' ? c - '0' : 0]);
}

static void expect(struct slice *list, struct slice more)
{
    *list = more;
    for (size_t i = 0; i < more.size; i++)
        play.is_plain &= inside_server_is_plain(more.at[i]);
}

static size_t left_to_say(void)
{
    size_t left = play.said < ALL_SAID_MAX ? ALL_SAID_MAX - play.said : 0;
    return left < LONG_SAID_MAX ? left : LONG_SAID_MAX;
}

static void do_outside(const struct step *step)
{
    switch (step->what) {
    case 'B':
        play.repeats = step->text.size > 0 ? left_to_say() / step->text.size : 0;
        play.again = step->text;
        play.piece = play.cut > 0 ? play.cut * 100 : SIZE_MAX;
        break;
    case 'O':
    case 'o':
        play.saying = step->text;
        play.piece = step->what == 'o' ? 1 : play.cut > 0 ? play.cut : SIZE_MAX;
        break;
    case 'e':
        witness.outside.ended = true;
        wire_end(play.outside);
        break;
    case 'E':
        witness.outside.gone = true;
        wire_reset(play.outside);
        break;
    case 'D':
        witness.outside.deaf = true;
        play.outside->room = room_of(step->text);
        break;
    default:
        play.outside->room = SIZE_MAX;
        break;
    }
}

static void do_inside(const struct step *step)
{
    if (play.inside == NULL)
        return;
    switch (step->what) {
    case 'I':
        ((struct witness_inside *)play.inside->context)->answered = true;
        wire_send(play.inside, step->text);
        break;
    case 'i':
        wire_end(play.inside);
        break;
    case 'R':
        wire_reset(play.inside);
        break;
    case 'd':
        play.inside->room = room_of(step->text);
        break;
    default:
        play.inside->room = SIZE_MAX;
        break;
    }
}

static void do_step(const struct step *step)
{
    play.is_plain &= strchr("OoBAC", step->what) != NULL && step->what != '\0';
    if (step->what != '\0' && strchr("OoBeEDL", step->what) != NULL)
        do_outside(step);
    else if (step->what != '\0' && strchr("IiRdl", step->what) != NULL)
        do_inside(step);
    else if (step->what == 'A')
        expect(&play.answers, step->text);
    else if (step->what == 'C')
        play.connects = step->text;
    else if (step->what == 'Q' && play.exactly_count < SCRIPT_STEPS_MAX)
        play.exactly[play.exactly_count++] = step->text;
    else if (step->what == 'T')
        pass_time(step->text);
}

/* Nothing is left to do: the outside leaves, and then nothing happens any more but time. */
static void come_to_an_end(int64_t deadline_ms)
{
    bool leaves = !script_has(play.script, 't');
    if (leaves && !witness.outside.ended && !witness.outside.gone) {
        witness.outside.ended = true;
        wire_end(play.outside);
        return;
    }
    law(deadline_ms != INT64_MAX, "a wait without a deadline");
    wire_move_time(deadline_ms);
}

static void pump(int64_t deadline_ms)
{
    witness_outside_walk(&witness.outside);
    if (answer() || say())
        return;
    if (play.next < play.script->count)
        do_step(&play.script->steps[play.next++]);
    else
        come_to_an_end(deadline_ms);
}

static void begin(const struct script *script, size_t cut)
{
    play.script = script;
    play.next = play.exactly_first = play.exactly_count = 0;
    play.cut = cut;
    play.repeats = play.said = 0;
    play.saying = play.answers = play.connects = slice_make("", 0);
    play.offers = offers_of(script);
    play.inside = NULL;
    play.is_plain = !script_has(script, 'm') && !script_has(script, 't');
    wire_begin(pump);
    witness_begin(&witness);
    witness_unread = outside_unread;
    play.outside = wire_open(&outside_owner, &witness.outside);
    memset(heard, 0, sizeof heard);
    slot = (struct slot){0};
    waits = (struct wait){0};
}

static void tell_witness(const struct script *script)
{
    static const char v1[] = "PROXY TCP4 198.51.100.7 192.0.2.25 4321 25\r\n";
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x19\x10\xe1\0\x19";
    witness.mends = script_has(script, 'n');
    witness.received = script_has(script, 'r');
    witness.size_limit = script_has(script, 's') ? 200 : script_has(script, 'S') ? 300 : 0;
    witness.by_xclient = backend.pass_client == PASS_CLIENT_XCLIENT;
    witness.address = slice_of(script_has(script, 'X') ? "XCLIENT" : " ADDR=198.51.100.7");
    if (backend.pass_client == PASS_CLIENT_PROXY_V1)
        witness.proxy = slice_make(v1, sizeof v1 - 1);
    if (backend.pass_client == PASS_CLIENT_PROXY_V2)
        witness.proxy = slice_make(v2, sizeof v2 - 1);
}

static void remember_keywords(void)
{
    const struct extensions known = {.keywords = KEYWORD_SIZE | KEYWORD_8BITMIME | KEYWORD_SMTPUTF8 | KEYWORD_DSN |
                                                 KEYWORD_CHUNKING | KEYWORD_BINARYMIME | KEYWORD_AUTH_PLAIN |
                                                 KEYWORD_AUTH_LOGIN | KEYWORD_AUTH_CRAM_MD5,
                                     .numbers = {[NUMBER_SIZE] = 10000000}};
    for (size_t i = 0; i < backend.servers.count; i++)
        heard_remember(&board, block_at(&backend.servers, i), &known);
}

static bool tells(const struct slice_log *log)
{
    return memmem(log->text, log->size, SECRET, sizeof SECRET - 1) != NULL;
}

static void show(const char *who, const struct slice_log *log)
{
    fprintf(stderr, "---- %s\n%.*s\n", who, (int)log->size, log->text);
}

/* What was said; also of a replayed input, where SHOW is set. */
static void tell_story(void)
{
    fprintf(stderr, "---- the outside said\n%.*s\n", (int)witness.outside.size, witness.outside.taken);
    show("the outside heard", &witness.outside_said);
    show("inside heard", &witness.inside_heard);
}

void rig_play(const struct script *script, size_t cut)
{
    static const struct endpoint peer = {ENDPOINT_IP, {.family = 4, .bytes = {198, 51, 100, 7}}, 4321, ""};
    static const struct endpoint local = {ENDPOINT_IP, {.family = 4, .bytes = {192, 0, 2, 25}}, 25, ""};
    struct session_setup setup = {.service = &service, .board = &board, .wait = &waits, .slot = 0};
    configure(script);
    begin(script, cut);
    tell_witness(script);
    memcpy(&memory, &spoiled, sizeof memory);
    if (script_has(script, 'k'))
        remember_keywords();
    serve_session(&memory, &setup, wire_fd(play.outside), &peer, &local);
    witness_outside_finished(&witness.outside);
    if (shows)
        tell_story();
    law(wire_open_count() == 0, "%d descriptors are left open", wire_open_count());
    for (int i = 0; i < WAIT_GUESTS_MAX; i++)
        law(waits.guests[i] == NULL, "a guest of the wait is left");
    law(!tells(&witness.outside_said) && !tells(&witness.inside_heard), "something of an earlier session is told");
}

/* -- the same, cut differently -- */

static bool holds_secret(const struct script *script)
{
    return memchr(script->memory, SECRET[0], script->size) != NULL;
}

static void compare(const struct slice_log *a, const struct slice_log *b, const char *who)
{
    law(a->size == b->size && memcmp(a->text, b->text, a->size) == 0, "%s, cut differently:\n%.*s\n-- or --\n%.*s", who,
        (int)a->size, a->text, (int)b->size, b->text);
}

void rig_play_both(const struct script *script)
{
    static struct slice_log outside, inside;
    static const char early[] = "554 5.5.0 Wait";
    if (holds_secret(script))
        return;
    rig_play(script, 0);
    outside.size = inside.size = 0;
    witness_log(&outside, witness.outside_said.text, witness.outside_said.size);
    witness_log(&inside, witness.inside_heard.text, witness.inside_heard.size);
    if (!play.is_plain || witness.is_ambiguous || witness.outside.refused_lines > 0 ||
        memmem(outside.text, outside.size, early, sizeof early - 1) != NULL)
        return;
    rig_play(script, 1 + script->size / 400);
    compare(&outside, &witness.outside_said, "the outside");
    compare(&inside, &witness.inside_heard, "inside");
}
