# SPDX-License-Identifier: ISC
"""Faults of inside: what it does in place of the usual answer, at every step."""
import time

from cases import Cell
from outside import is_code, is_yes

GAP = 0.04    # between an answer and the words that nobody asked for
PACE = 0.12   # the outside's, where inside speaks unasked: it is said when the gate asks the next thing
LATE = 0.7    # seconds beyond the gate's deadline
LONG = 70_000

STEPS = ("accept", "banner", "EHLO 1", "XCLIENT", "EHLO 2", "MAIL", "RCPT 1", "RCPT 2", "DATA", "data", "dot",
         "between", "RSET", "QUIT")
OPENING = STEPS[:5]


def code_of(usual):
    return usual[:3] if usual else b"250"


# -- actions: (connection, usual)

def close(c, _usual):
    c.close()


def reset(c, _usual):
    c.reset()


def stall(c, _usual):
    c.stall()


def trickle(c, usual):
    c.trickle(usual or b"250 2.0.0 early\r\n", 0.003)


def trickle_for_ever(c, usual):
    for _ in range(60):
        c.trickle(code_of(usual) + b"-x\r\n", 0.05)
    c.stall()


def late(c, usual):
    time.sleep(c.stage.lane.limits.command + LATE)
    c.say(usual or b"250 2.0.0 late\r\n")


def long_line(c, usual):
    c.say(code_of(usual) + b" " + b"x" * LONG + b"\r\n")


def many_lines(c, usual):
    c.say((code_of(usual) + b"-more\r\n") * 399 + code_of(usual) + b" end\r\n")


def bare_lf(c, usual):
    c.say((usual or b"250 2.0.0 early\r\n").replace(b"\r\n", b"\n"))


def twice(c, usual):
    c.say((usual or b"250 2.0.0 early\r\n") * 2)


def twice_late(c, usual):
    c.say(usual or b"250 2.0.0 early\r\n")
    time.sleep(GAP)
    c.say(usual or b"250 2.0.0 early\r\n")


def babble(c, usual):
    if usual:
        c.say(usual)
        time.sleep(GAP)
    c.say(b"* 3 EXISTS\r\n")


def babble_refusal(c, usual):
    """The words that nobody asked for would refuse the next command."""
    if usual:
        c.say(usual)
        time.sleep(GAP)
    c.say(b"550 5.7.1 not asked\r\n")


def half_close(c, usual):
    c.say((usual or b"250 2.0.0 early\r\n")[:-4])
    c.close()


def half_reset(c, usual):
    c.say((usual or b"250 2.0.0 early\r\n")[:-4])
    c.reset()


def half_stall(c, usual):
    c.say((usual or b"250 2.0.0 early\r\n")[:-4])
    c.stall()


def answer_and_close(c, usual):
    c.say(usual or b"451 4.3.0 early\r\n")
    c.close()


def nul(c, usual):
    c.say((usual or b"250 2.0.0 early\r\n").replace(b" ", b" \0", 1))


def garbage(c, _usual):
    c.say(b"\0\xff\x80\x1b[2Jgarbage\r\n")


def mixed(c, usual):
    c.say(code_of(usual) + b"-2.0.0 one\r\n550 5.0.0 two\r\n")


def mixed_yes(c, usual):
    c.say(b"550-5.0.0 one\r\n" + code_of(usual) + b" 2.0.0 two\r\n")


def saying(octets):
    def action(c, _usual):
        c.say(octets)
    return action


FAULTS = {
    "FIN": close, "RST": reset, "stall": stall, "trickle": trickle, "trickle for ever": trickle_for_ever, "late": late,
    "lie 250": saying(b"250 2.0.0 yes\r\n"), "lie 220": saying(b"220 hello\r\n"),
    "lie 354": saying(b"354 go ahead\r\n"),
    "babble": babble, "babble 550": babble_refusal, "long line": long_line, "400 lines": many_lines, "bare LF": bare_lf,
    "twice": twice, "twice, one late": twice_late, "half, FIN": half_close, "half, RST": half_reset,
    "half, stall": half_stall, "answer, FIN": answer_and_close, "421": saying(b"421 4.3.2 bye\r\n"),
    "451": saying(b"451 4.3.0 later\r\n"), "554": saying(b"554 5.7.1 never\r\n"), "NUL": nul, "garbage": garbage,
    "mixed codes": mixed, "mixed codes, yes last": mixed_yes,
}


# A fault "between" transactions comes behind the answer to the dot; one at "accept" before the banner.
def placed(step, fault):
    """step of the script -> action."""
    action = FAULTS[fault]
    if step == "between":
        def behind(c, usual):
            c.say(usual)
            time.sleep(GAP)
            action(c, b"")
        return {"dot": behind}
    return {step: action}


# -- the outside's parts

def lockstep(stage, step, pace=0, **how):
    """A normal client: one thing after the other, up to the first refusal."""
    outside = stage.connect(pace)
    mail = outside.mail(recipients=2, **how)
    if not is_yes(outside.reply()):
        return outside, mail
    outside.ask(outside.hello)
    if step == "RSET":
        outside.ask(outside.mail().mail_line)
        outside.ask(b"RSET\r\n")
    if outside.envelope(mail) and is_code(outside.ask(b"DATA\r\n"), b"354"):
        send_content(stage, outside, mail.stuffed, step)
        time.sleep(pace)
        outside.say(b".\r\n")
        outside.reply()
    return outside, mail


def send_content(stage, outside, octets, step):
    outside.say(octets)
    if step == "data":
        stage.wait_met("data")
        time.sleep(GAP * 2)


def pipelined(stage, step, pace=0):
    """MAIL, RCPT and DATA in one segment (RFC 2920); the message and its dot in another."""
    outside = stage.connect(pace)
    mail = outside.mail(recipients=2)
    if not outside.greet():
        return outside, mail
    outside.say(mail.mail_line + b"".join(mail.rcpt_lines) + b"DATA\r\n")
    replies = [outside.reply() for _ in range(4)]
    if is_code(replies[-1], b"354"):
        if step == "data":
            send_content(stage, outside, mail.stuffed, step)
            outside.say(b".\r\n")
        else:
            outside.say(mail.stuffed + b".\r\n")
        outside.reply()
    return outside, mail


def chunked(stage, step, pace=0, binary=False):
    outside = stage.connect(pace)
    mail = outside.mail(recipients=2, parameters=" BODY=BINARYMIME" if binary else "",
                        lines=(b"bare\nLF, NUL \0 and\r CR", b".") if binary else (b"text", b"."))
    if not outside.greet() or not outside.envelope(mail):
        return outside, mail
    cut = len(mail.content) // 2
    first, last = mail.content[:cut], mail.content[cut:]
    if is_yes(outside.ask(b"BDAT %d\r\n" % len(first) + first)):
        if step == "data":
            stage.wait_met("data")
            time.sleep(GAP * 2)
        outside.ask(b"BDAT %d LAST\r\n" % len(last) + last)
    return outside, mail


def binary(stage, step, pace=0):
    return chunked(stage, step, pace, True)


def deaf(stage):
    """A large message, and an inside that does not read it."""
    outside = stage.connect()
    mail = outside.mail(lines=[b"y" * 70] * 140_000)
    if outside.greet():
        outside.send(mail)
    stage.clean(outside)
    outside.quit()


def cell(kind, title, way, step, fault):
    needs_pace = fault.startswith(("babble", "twice")) or step == "between"

    def play(stage):
        outside, mail = way(stage, step, PACE if needs_pace else 0)
        if kind == "two" and step in OPENING[:3] and fault in ("FIN", "RST", "421", "stall", "garbage"):
            stage.must(mail)  # nothing was said yet: the next server takes it
        if not (step == "between" and fault in ("stall", "late")):  # then it is the next command that waits in vain
            stage.clean(outside)
        outside.quit()
    return Cell(f"inside, {title}: {fault} at {step}", kind, play, placed(step, fault))


def speaks_within_a_chunk(words):
    """Inside takes chunks as commands, and nobody has asked it anything while the next one comes in."""
    def behind(c, usual):
        c.say(usual)
        c.stage.met.wait(5)
        time.sleep(GAP)
        c.say(words)

    def play(stage):
        outside = stage.connect()
        mail = outside.mail(parameters=" BODY=BINARYMIME")
        if outside.greet() and outside.envelope(mail) and is_yes(outside.ask(b"BDAT 10\r\n" + mail.content[:10])):
            outside.say(b"BDAT %d LAST\r\n" % len(mail.content[10:]))
            stage.met.set()
            time.sleep(3 * GAP)
            outside.ask(mail.content[10:])
        stage.clean(outside)
        outside.quit()
    return Cell(f"inside, binary chunks: {words[:3].decode()} unasked while a chunk comes in", "chunks", play,
                {"BDAT 1": behind})


def refused(kind):
    """Nobody listens there."""
    def play(stage):
        first = stage.lane.insides[0]
        first.refuse()
        try:
            outside, mail = lockstep(stage, "")
            if kind == "two":
                stage.must(mail)
        finally:
            first.listen()
        stage.clean(outside)
        outside.quit()
    return Cell(f"inside, {kind}: connection refused", kind, play)


WAYS = (  # kind of lane, title, the outside's way, steps
    ("mail", "in step", lockstep, STEPS),
    ("greeting", "connect = greeting", lockstep, OPENING),
    ("two", "two servers", lockstep, STEPS[:12]),
    ("mail", "pipelined", pipelined, STEPS[5:11]),
    ("chunks", "chunks", chunked, ("DATA", "data", "dot")),
    ("chunks", "binary chunks", binary, ("BDAT 1", "LAST")),  # needs an EHLO that no other cell has spoilt
)


def cells():
    found = [cell(kind, title, way, step, fault) for kind, title, way, steps in WAYS for step in steps
             for fault in FAULTS if not is_void(step, fault)]
    return [*found, refused("mail"), refused("greeting"), refused("two"), *special_cells()]


def short_cells():
    """In each way each fault once, and each step at least once."""
    found = []
    for number, (kind, title, way, steps) in enumerate(WAYS):
        for i, fault in enumerate(FAULTS):
            turned = [steps[(i + number + n) % len(steps)] for n in range(len(steps))]
            found += [cell(kind, title, way, step, fault) for step in turned if not is_void(step, fault)][:1]
    return [*found, refused("mail"), refused("two"), *special_cells()[1:]]


def special_cells():
    return [Cell("inside, in step: deaf at data", "mail", deaf, {"data": lambda c, _: (c.sleep_deaf(4), c.close())}),
            speaks_within_a_chunk(b"550 5.7.1 not asked\r\n"), speaks_within_a_chunk(b"250 2.0.0 not asked\r\n"),
            speaks_within_a_chunk(b"421 4.3.2 bye\r\n")]


def is_void(step, fault):
    """No fault at all: the usual answer, or nothing to cut."""
    return (step, fault) in {("banner", "lie 220"), ("XCLIENT", "lie 220"), ("DATA", "lie 354")} or \
        (step in ("MAIL", "RCPT 1", "RCPT 2", "dot", "RSET", "BDAT 1", "LAST") and fault == "lie 250") \
        or (step in ("accept",) and fault in ("trickle", "bare LF"))
