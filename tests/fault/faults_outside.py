# SPDX-License-Identifier: ISC
"""Faults of the outside, at every place of a session: a client that leaves, stalls, trickles, or says what it must not.

A session is a list of Pieces: what is said, and what has to be waited for behind it. The fault takes the place of one
of them, or comes within it.
"""
import time

from cases import Cell
from faults_inside import GAP
from outside import is_code

LONG = 70_000
FOR_EVER = 6  # seconds: beyond each of the gate's deadlines outside


class Piece:
    """`code`: what begins the reply that lets the session go on; None: there is none."""

    def __init__(self, place, octets, code):
        self.place, self.octets, self.code = place, octets, code


def by_data(outside, mail):
    head, body = mail.stuffed.split(b"\r\n\r\n", 1)
    return [Piece("banner", b"", b"220"), Piece("EHLO", outside.hello, b"250"),
            Piece("MAIL", mail.mail_line, b"250"),
            *(Piece(f"RCPT {n}", line, b"250") for n, line in enumerate(mail.rcpt_lines, 1)),
            Piece("DATA", b"DATA\r\n", b"354"), Piece("header", head + b"\r\n\r\n", None),
            Piece("body", body[:-2], None), Piece("last line's end", body[-2:], None),
            Piece("dot", b".\r\n", b"250"), Piece("QUIT", b"QUIT\r\n", b"221")]


def by_chunks(outside, mail):
    cut = len(mail.content) // 2
    chunks = [mail.content[:cut], mail.content[cut:]]
    envelope = by_data(outside, mail)[:5]
    return [*envelope, Piece("BDAT", b"BDAT %d\r\n" % len(chunks[0]), None), Piece("chunk", chunks[0], b"250"),
            Piece("LAST", b"BDAT %d LAST\r\n" % len(chunks[1]), None), Piece("last chunk", chunks[1], b"250"),
            Piece("QUIT", b"QUIT\r\n", b"221")]


def by_binary(outside, mail):
    """Chunks that go inside as chunks (RFC 3030)."""
    pieces = by_chunks(outside, mail)
    return [Piece(p.place, mail.mail_line[:-2] + b" BODY=BINARYMIME\r\n", p.code) if p.place == "MAIL" else p
            for p in pieces]


# -- faults: (stage, outside, piece); True: the session goes on behind the piece

def leave(outside, how):
    {"FIN": outside.close, "RST": outside.reset, "half": outside.finish_sending}[how]()
    if how == "half":
        outside.drain()
    return False


def fin(_stage, outside, _piece):
    return leave(outside, "FIN")


def rst(_stage, outside, _piece):
    return leave(outside, "RST")


def half_closed(_stage, outside, _piece):
    return leave(outside, "half")


def part(piece):
    """A beginning of it, which is no whole line."""
    return piece.octets[:max(len(piece.octets) // 2, 1)] if len(piece.octets) > 2 else piece.octets[:1]


def within_fin(_stage, outside, piece):
    outside.say(part(piece))
    time.sleep(GAP)
    return leave(outside, "FIN")


def within_rst(_stage, outside, piece):
    outside.say(part(piece))
    time.sleep(GAP)
    return leave(outside, "RST")


def within_half_closed(_stage, outside, piece):
    outside.say(part(piece))
    return leave(outside, "half")


def stall(_stage, outside, _piece):
    outside.drain()
    return False


def within_stall(_stage, outside, piece):
    outside.say(part(piece))
    outside.drain()
    return False


def trickle(_stage, outside, piece):
    outside.trickle(piece.octets, 0.003)
    return said(outside, piece)


def trickle_for_ever(_stage, outside, piece):
    """Slower than the gate allows for a command line, or for a message as a whole."""
    filling = b"x" * 400 if piece.code is None else piece.octets[:4] + b" " * 400
    end = time.monotonic() + FOR_EVER
    for octet in filling:
        if time.monotonic() > end or not outside.trickle(bytes([octet]), 0.03):
            break
    outside.drain()
    return False


def said(outside, piece):
    """Its reply, if it has one."""
    return piece.code is None or is_code(outside.reply(), piece.code)


def goes_on(outside, piece):
    if piece.octets:
        outside.say(piece.octets)
    return said(outside, piece)


def before(octets):
    """Something else is said first, and answered."""
    def fault(_stage, outside, piece):
        outside.ask(octets)
        return not outside.is_over and goes_on(outside, piece)
    return fault


def bare_lf(_stage, outside, piece):
    outside.say(piece.octets.replace(b"\r\n", b"\n"))
    return said(outside, piece)


def bare_cr(_stage, outside, piece):
    outside.say(piece.octets.replace(b"\r\n", b"\r\r\n"))
    return said(outside, piece)


def nul(_stage, outside, piece):
    outside.say(piece.octets[:2] + b"\0" + piece.octets[2:])
    return said(outside, piece)


def twice(_stage, outside, piece):
    is_going_on = goes_on(outside, piece)
    outside.ask(piece.octets)
    return is_going_on and not outside.is_over


def along_with_more(_stage, outside, piece):
    """It does not wait for the reply before it says the next thing."""
    outside.say(piece.octets + b"NOOP\r\n")
    is_going_on = said(outside, piece)
    if piece.code and not outside.is_over:
        outside.reply()
    return is_going_on


def quit_and_leave(how):
    """QUIT is pipelined behind it, then it leaves."""
    def fault(_stage, outside, piece):
        outside.say(piece.octets + (b"QUIT\r\n" if piece.code else b"\r\n.\r\nQUIT\r\n"))
        return leave(outside, how)
    return fault


COMMANDS = ("EHLO", "MAIL", "RCPT 1", "RCPT 2", "DATA", "QUIT")
LEAVING = {"FIN": fin, "RST": rst, "half-closed": half_closed, "stall": stall}
WITHIN = {"FIN within": within_fin, "RST within": within_rst, "half-closed within": within_half_closed,
          "stall within": within_stall, "trickle": trickle, "trickle for ever": trickle_for_ever}
LINES = {"long line": before(b"NOOP " + b"x" * LONG + b"\r\n"), "unknown command": before(b"FROBNICATE now\r\n"),
         "binary garbage": before(b"\x80\xff\0\x01\x1b[2J\r\n"), "NUL": nul, "bare LF": bare_lf, "bare CR": bare_cr,
         "NOOP before": before(b"NOOP hello\r\n"), "DATA out of order": before(b"DATA\r\n"),
         "RCPT out of order": before(b"RCPT TO: <not-an-address\r\n"), "twice": twice,
         "does not wait": along_with_more, "QUIT, FIN": quit_and_leave("FIN"), "QUIT, RST": quit_and_leave("RST"),
         "QUIT, half-closed": quit_and_leave("half")}
TEXT = {name: LINES[name] for name in ("NUL", "bare LF", "bare CR", "QUIT, FIN", "QUIT, RST", "QUIT, half-closed")}
FAULTS = {**LEAVING, **WITHIN, **LINES}
NO_DATA = "DATA out of order"


def faults_at(place):
    if place == "banner":
        return {**LEAVING, "early talk": None}
    if place in ("header", "body"):
        return {**LEAVING, **WITHIN, **TEXT}
    if place == "last line's end":
        return {**LEAVING, "NUL": nul, "QUIT, FIN": LINES["QUIT, FIN"]}
    if place == "dot":
        return {**LEAVING, **{n: WITHIN[n] for n in WITHIN if n != "trickle for ever"},
                "does not wait": along_with_more, **{n: TEXT[n] for n in TEXT if n.startswith("QUIT")}}
    if place in ("chunk", "last chunk"):
        return {**LEAVING, **WITHIN, "QUIT, half-closed": LINES["QUIT, half-closed"], "does not wait": along_with_more}
    if place in ("BDAT", "LAST"):
        return {**LEAVING, **WITHIN, "bare LF": bare_lf, "NUL": nul, "long line": LINES["long line"]}
    found = {**LEAVING, **WITHIN, **LINES}
    if place in ("RCPT 2", "DATA"):  # there it would be in order
        del found[NO_DATA]
    return found


def early_talk(_stage, outside, _piece):
    outside.say(outside.hello)
    outside.reply()
    outside.reply()
    return False


def play_pieces(way, place, fault):
    action = early_talk if fault == "early talk" else FAULTS[fault]

    def play(stage):
        outside = stage.connect()
        mail = outside.mail(recipients=2, lines=(b".stuffed", b"text", b"the last line"))
        for piece in way(outside, mail):
            is_there = piece.place == place
            if not (action(stage, outside, piece) if is_there else goes_on(outside, piece)):
                break
        outside.close()
    return play


# -- beyond the pieces

def leaves_behind_a_group(how):
    """MAIL, RCPT and DATA in one segment, and the client is gone before the first of them was answered."""
    def play(stage):
        outside = stage.connect()
        mail = outside.mail(recipients=2)
        if outside.greet():
            outside.say(mail.mail_line + b"".join(mail.rcpt_lines) + b"DATA\r\n")
            leave(outside, how) if how else outside.drain()
        outside.close()
    return Cell(f"outside, pipelined: {how or 'stall'} behind MAIL, RCPT and DATA", "mail", play)


def leaves_after_dot(how, by, verdict):
    """Inside has the whole message, and answers when the client has gone: nobody will hear it (RFC 1047)."""
    def hold(c, usual):
        c.stage.met.set()
        c.stage.may_go_on.wait(10)
        c.say(verdict or usual)

    def play(stage):
        outside = stage.connect()
        mail = outside.mail(recipients=2)
        for piece in by(outside, mail)[:-2]:
            if not goes_on(outside, piece):
                return
        end = by(outside, mail)[-2]
        outside.say(end.octets)
        stage.wait_met()
        if how == "QUIT, half-closed":
            outside.say(b"QUIT\r\n")
        if "half" in how:
            outside.finish_sending()
        else:
            leave(outside, how)
        time.sleep(GAP)
        stage.may_go_on.set()
        if "half" in how:
            outside.drain()
        outside.close()

    title = {by_chunks: "chunks", by_binary: "binary chunks"}.get(by, "in step")
    words = (verdict or b"250")[:3].decode()
    return Cell(f"outside, {title}: {how} between dot and {words}", kind_of(title), play,
                {"LAST" if by is by_binary else "dot": hold})


def leaves_while_inside_thinks(how, step):
    """However long inside takes, a hang-up frees the worker."""
    def think(c, _usual):
        c.stage.met.set()
        c.stall()

    def play(stage):
        outside = stage.connect()
        mail = outside.mail(recipients=2)
        places = {"banner": "MAIL", "EHLO 1": "MAIL", "XCLIENT": "MAIL"}
        for piece in by_data(outside, mail):
            if piece.place == places.get(step, step):
                outside.say(piece.octets)
                break
            if stage.met.is_set() or not goes_on_until_met(stage, outside, piece):
                break
        stage.wait_met()
        leave(outside, how)
    return Cell(f"outside, patient gate: {how} while inside thinks at {step}", "patient", play, {step: think})


def leaves_while_inside_is_deaf():
    """Inside reads nothing of a message, so that the gate waits in a write when the client resets."""
    def deaf(c, _usual):
        c.stage.may_go_on.wait(30)
        c.close()

    def play(stage):
        outside = stage.connect()
        mail = outside.mail(lines=[b"y" * 70] * 140_000)
        if outside.greet() and outside.envelope(mail) and is_code(outside.ask(b"DATA\r\n"), b"354"):
            outside.socket.settimeout(1)  # it gives up as soon as nothing more is taken
            outside.say(mail.stuffed)
        leave(outside, "RST")
        stage.wait_ended()
    return Cell("outside, patient gate: RST while inside does not read", "patient", play, {"data": deaf})


def goes_on_until_met(stage, outside, piece):
    """EHLO may be what opens inside, and then has no answer either."""
    outside.say(piece.octets)
    if piece.place == "EHLO":
        outside.socket.settimeout(0.05)
        try:
            while not stage.met.is_set():
                if outside.peek():
                    break
        finally:
            outside.socket.settimeout(outside.seconds)
        if stage.met.is_set():
            return False
    return said(outside, piece)


def two_at_once():
    """Two clients side by side, a piece each in turn; inside hears both, and never one in the other."""
    def play(stage):
        pair = [stage.connect(), stage.connect()]
        mails = [stage.must(o.mail(recipients=2, lines=[b"z" * 900] * 30)) for o in pair]
        for pieces in zip(*(by_data(o, m) for o, m in zip(pair, mails))):
            for outside, piece in zip(pair, pieces):
                outside.say(piece.octets)
            for outside, piece in zip(pair, pieces):
                if piece.code:
                    outside.reply()
    return Cell("outside, in step: two clients at once", "mail", play)


def foul(way, title, name, line):
    """What no message by DATA may have, and every one by binary chunks."""
    def play(stage):
        outside = stage.connect()
        mail = outside.mail(recipients=2, lines=(b".", b"before", line, b"behind"))
        if way is by_binary:
            stage.must(mail)
        for piece in way(outside, mail)[:-1]:
            goes_on(outside, piece)
        stage.clean(outside)
        outside.quit()
    return Cell(f"outside, {title}: {name} in the message", kind_of(title), play)


def foul_cells():
    lines = {"bare LF": b"a\nb", "bare CR": b"a\rb", "NUL": b"a\0b", "LF dot LF": b"a\n.\nb", "LF dot CRLF": b"a\n.",
             "CR CRLF dot CR": b"a\r\r\n.\r"}
    return [foul(way, title, name, line) for title, way, _ in WAYS[:3] for name, line in lines.items()]


def sloppy():
    """Blanks, lower case, no brackets: taken, and printed anew."""
    def play(stage):
        outside = stage.connect()
        mail = stage.must(outside.mail())
        outside.greet()
        outside.ask(f"mail from: <{mail.sender}>  \r\n".encode())
        outside.ask(f"rcpt  to: <{mail.recipients[0]}>\t\r\n".encode())
        if is_code(outside.ask(b"data\r\n"), b"354"):
            outside.ask(mail.stuffed + b".\r\n")
        outside.ask(b"MAIL FROM:<a@b.test> SIZE=1 X-EVIL=1\r\n")
        outside.ask(b"MAIL FROM:<a@b.test>\rRCPT TO:<c@d.test>\r\n")
        outside.quit()
    return Cell("outside, in step: sloppy commands", "mail", play)


def special_cells():
    leaving = [leaves_after_dot(how, by_data, verdict) for how in ("FIN", "RST", "half-closed", "QUIT, half-closed")
               for verdict in (None, b"554 5.7.1 no\r\n", b"451 4.3.0 later\r\n")]
    leaving += [leaves_after_dot(how, by, None) for how in ("FIN", "RST", "QUIT, half-closed")
                for by in (by_chunks, by_binary)]
    thinking = [leaves_while_inside_thinks(how, step) for how in ("FIN", "RST")
                for step in ("banner", "EHLO 1", "XCLIENT", "MAIL", "RCPT 1", "DATA")]
    thinking.append(leaves_while_inside_is_deaf())
    groups = [leaves_behind_a_group(how) for how in ("FIN", "RST", "half", None)]
    return leaving, thinking, [*groups, *foul_cells(), two_at_once(), sloppy()]


WAYS = (("in step", by_data, ("banner", "EHLO", "MAIL", "RCPT 1", "RCPT 2", "DATA", "header", "body", "last line's end",
                              "dot", "QUIT")),
        ("chunks", by_chunks, ("BDAT", "chunk", "LAST", "last chunk")),
        ("binary chunks", by_binary, ("BDAT", "chunk", "LAST", "last chunk")),
        ("connect = greeting", by_data, ("banner", "EHLO", "MAIL")))


def kind_of(title):
    return {"connect = greeting": "greeting", "binary chunks": "chunks"}.get(title, "mail")


def cell(title, way, place, fault):
    return Cell(f"outside, {title}: {fault} at {place}", kind_of(title), play_pieces(way, place, fault))


def cells():
    found = [cell(title, way, place, fault) for title, way, places in WAYS for place in places
             for fault in faults_at(place)]
    return found + sum(special_cells(), [])


def short_cells():
    """In each way each fault and each place once, and some of the special ones."""
    found = []
    for title, way, places in WAYS:
        pairs = []
        for i, fault in enumerate(dict.fromkeys(f for place in places for f in faults_at(place))):
            fitting = [place for place in places if fault in faults_at(place)]
            pairs.append((fitting[i % len(fitting)], fault))
        pairs += [(place, "FIN") for place in places if place not in dict(pairs)]
        found += [cell(title, way, place, fault) for place, fault in pairs]
    leaving, thinking, others = special_cells()
    return [*found, *leaving[::4], *leaving[-2:], *thinking[::5], *others]
