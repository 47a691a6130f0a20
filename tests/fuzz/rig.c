/* SPDX-License-Identifier: ISC
 *
 * FLAGS of a script that are the rig's own (the session's: subject.h):
 *     m              inside answers only what the script says
 *     t              at the end time passes (else: the outside leaves)
 *     p c u 8 b y q S  not offered inside     f  XFORWARD is: see offers_of
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net.h"

#include "tests/fuzz/inside_server.h"
#include "tests/fuzz/law.h"
#include "tests/fuzz/rig.h"
#include "tests/fuzz/subject.h"

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
static bool shows;

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
    const size_t batch = play.cut > 0 ? 997 : 8192; /* of what is said again and again */
    size_t before = wire_unread(play.outside);
    if (play.saying.size == 0 && play.repeats == 0)
        return false;
    do {
        if (play.saying.size == 0 && play.repeats > 0) {
            play.repeats--;
            play.saying = play.again;
        }
        struct slice piece = law_take(&play.saying, play.piece);
        play.said += piece.size;
        wire_send(play.outside, piece);
    } while (play.repeats > 0 && wire_unread(play.outside) - before < batch);
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
        play.piece = SIZE_MAX;
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

void rig_prepare(void)
{
    subject_prepare();
    shows = getenv("SHOW") != NULL;
    law_story = tell_story;
}

void rig_play(const struct script *script, size_t cut)
{
    begin(script, cut);
    subject_begin(script, &witness);
    subject_serve(wire_fd(play.outside));
    if (shows)
        tell_story();
    witness_outside_finished(&witness.outside);
    law(wire_open_count() == 0, "%d descriptors are left open", wire_open_count());
    law(!subject_tells(witness.outside_said.text, witness.outside_said.size) &&
            !subject_tells(witness.inside_heard.text, witness.inside_heard.size),
        "something of an earlier session is told");
}

/* -- the same, cut differently -- */

static void compare(const struct slice_log *a, const struct slice_log *b, const char *who)
{
    law(a->size == b->size && memcmp(a->text, b->text, a->size) == 0, "%s, cut differently:\n%.*s\n-- or --\n%.*s", who,
        (int)a->size, a->text, (int)b->size, b->text);
}

/* Whether inside hears QUIT in the end depends on when the client was seen to be gone. */
static void drop_goodbye(struct slice_log *log)
{
    static const char goodbye[] = "QUIT\r\n";
    size_t size = sizeof(goodbye) - 1;
    if (log->size >= size && memcmp(log->text + log->size - size, goodbye, size) == 0)
        log->size -= size;
}

void rig_play_both(const struct script *script)
{
    static struct slice_log outside, inside;
    static const char early[] = "554 5.5.0 Wait";
    if (subject_is_spoiled(script))
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
    drop_goodbye(&inside);
    drop_goodbye(&witness.inside_heard);
    compare(&inside, &witness.inside_heard, "inside");
}
