# SPDX-License-Identifier: ISC
"""Laws that inside's view is held against: L1 (a dead connection, one commit), L2, L3, L4, L8, L10."""
import re

from laws_outside import is_committed, where_of
from witness import marks_in

WORD = rb"[^\0-\x20\x7f]"
PATH = rb"<(?:[^\0-\x20<>\x7f]|\"(?:[^\0-\x1f\"\\\x7f]|\\[ -~])*\")*>"
PARAMETERS = rb"(?: [A-Z0-9][A-Z0-9-]*(?:=[^\0-\x20=\x7f]+)?)*"
COMMANDS = re.compile(rb"(?:(?:EHLO|HELO) " + WORD + rb"+|XCLIENT(?: [A-Z_]+=[^\0-\x20\x7f]*)+|MAIL FROM:" + PATH
                      + PARAMETERS + rb"|RCPT TO:" + PATH + PARAMETERS
                      + rb"|DATA|RSET|NOOP|QUIT|BDAT \d+|BDAT 0 LAST)\r\n")
RECEIVED = re.compile(rb"Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")


# -- L1

def a_dead_connection_is_left_alone(case):
    for view in case.inside:
        for law, words in view.faults:
            case.fault(law, view.name, words)


def unasked_words_end_it(case):
    """Before each command goes inside nothing unasked may lie there."""
    for view in case.inside:
        for words in view.unasked:
            after = [e for e in view.events if e.kind == "heard" and e.at > words.done]
            said = _said_behind(case, view, words.done)
            proof = [e for e in after if said is not None and e.at > said]
            if proof:
                case.fault("L1", view.name,
                           f"spoken to although {words.octets[:40]!r} lay there: {proof[0].octets[:60]!r}")


def _said_behind(case, view, moment):
    """When the outside first spoke after this moment while nothing that it had said before was unanswered: the gate did
    nothing in between, and what it does from then on it does knowingly."""
    for outside in case.outside:
        if outside.number not in view.marks:
            continue
        for exchange in outside.exchanges:
            pending = [e for e in outside.exchanges if e.said_at < exchange.said_at and e.kind != "banner"
                       and (e.reply is None or e.reply.at > exchange.said_at)]
            if exchange.said_at > moment and not pending:
                return exchange.said_at
    return None


def one_commit(case):
    for view in case.outside:
        for transaction in view.transactions:
            if transaction.mark is None:
                continue
            ended = [(v, m) for v, m in case.messages_of(transaction.mark) if m.ended_at]
            if len(ended) > 1:
                case.fault("L1", where_of(transaction), f"its end went inside {len(ended)} times: "
                                                        f"{', '.join(v.name for v, _ in ended)}")
            asked = case.asked(rb"MAIL FROM:", transaction.mark)
            if len(asked) > 1:
                case.fault("L1", where_of(transaction), f"MAIL was said inside {len(asked)} times")
            homes = {v.name for v, _ in asked}
            strays = {v.name for v, _ in case.asked(rb"RCPT TO:", transaction.mark)} - homes
            if strays:
                case.fault("L1", where_of(transaction), f"RCPT went to {strays}, MAIL to {homes}")


# -- L2

def the_end_needs_an_end(case):
    by_mark = {t.mark: t for view in case.outside for t in view.transactions}
    for view in case.inside:
        for message in view.messages:
            transaction = by_mark.get(message.mark)
            if message.ended_at is None:
                continue
            if transaction is None:
                case.fault("L2", view.name, f"an end of data for {message.mark}, which nobody outside began")
            elif transaction.ended_at is None or transaction.ended_at > message.ended_at:
                case.fault("L2", where_of(transaction), "its end went inside before there was one outside")
            elif transaction.is_foul:
                case.fault("L2", where_of(transaction), "its end went inside although it has a bare CR or LF, or NUL")
            elif any(early.done < transaction.end.said_at for early in message.early):
                case.fault("L1", where_of(transaction), "its end went inside although inside had spoken before it")


# -- L3

def language(case):
    for view in case.inside:
        for message in view.messages:
            words = None if message.is_chunked else language_fault(message.octets, message.ended_at is not None)
            if words:
                case.fault("L3", view.name, words)


def language_fault(octets, is_ended):
    """(line CRLF)*, each line free of CR, LF, NUL, and stuffed. What was broken off may end within a line."""
    if b"\0" in octets:
        return "NUL in a message"
    lines = octets.split(b"\r\n")
    rest = lines.pop()
    if rest and is_ended:
        return f"the last line has no end: {rest[-40:]!r}"
    if not is_ended and rest.endswith(b"\r"):
        rest = rest[:-1]
    for line in [*lines, rest]:
        if b"\r" in line or b"\n" in line:
            return f"a bare CR or LF: {line[:80]!r}"
    for line in lines:
        if line[:1] == b"." and line[:2] != b"..":
            return f"a line that is not stuffed: {line[:80]!r}"
    return None


# -- L4

def commands_are_printed_anew(case):
    for view in case.inside:
        for asked in view.asked:
            if not COMMANDS.fullmatch(asked.octets):
                case.fault("L4", view.name, f"no command of the gate's own: {asked.octets[:120]!r}")
        if view.rest and view.events[-1].kind == "ended" and not case.is_killed:
            case.fault("L4", view.name, f"half a command: {view.rest[:80]!r}")


# -- L8

def nothing_of_another(case):
    for view in case.inside:
        if len(view.marks) > 1:
            case.fault("L8", view.name, f"heard octets of outside connections {sorted(view.marks)}")
    for view in case.outside:
        heard = b"".join(e.octets for e in case.events if e.connection == view.name and e.kind == "heard")
        strange = {c for c, _ in marks_in(heard)} - {view.number}
        if strange:
            case.fault("L8", view.name, f"heard octets of outside connections {sorted(strange)}")


# -- L10

def content_is_unchanged(case):
    by_mark = {t.mark: t for view in case.outside for t in view.transactions}
    for view in case.inside:
        for message in view.messages:
            transaction = by_mark.get(message.mark)
            if transaction is None:
                continue
            words = content_fault(transaction, message)
            if words:
                case.fault("L10", where_of(transaction), words)


def content_fault(transaction, message):
    given, got = transaction.content, message.content
    if message.ended_at is None or transaction.is_foul:
        return _prefix_fault(given, message)
    if transaction.is_chunked and not message.is_chunked and given and not given.endswith(b"\r\n"):
        given += b"\r\n"
    added = RECEIVED.match(got)
    if got != given and (added is None or got[added.end():] != given):
        at = next((i for i, (a, b) in enumerate(zip(_rest(got), given)) if a != b), min(len(_rest(got)), len(given)))
        return f"{'accepted ' if is_committed(message) else ''}with other octets: from octet {at} on " \
               f"{_rest(got)[at:at + 40]!r} in place of {given[at:at + 40]!r}"
    return None


def _prefix_fault(given, message):
    """It was broken off: no more than a beginning of it may be there. A cut may be within the line on top, a stuffed
    dot, or a CRLF."""
    got = _rest(message.content)
    if got is None or message.content == b"" or given.startswith(got.rstrip(b"\r.")):
        return None
    if b"Received:".startswith(got[:9]) or RECEIVED.match(message.content) is None:
        return None
    return f"began inside with other octets: {got[:80]!r}"


def _rest(got):
    added = RECEIVED.match(got)
    return got[added.end():] if added else got


LAWS = (a_dead_connection_is_left_alone, unasked_words_end_it, one_commit, the_end_needs_an_end, language,
        commands_are_printed_anew, nothing_of_another, content_is_unchanged)
