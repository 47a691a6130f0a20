# SPDX-License-Identifier: ISC
"""Laws that the outside's view is held against: L1 (what a yes needs), L6 (who does not wait), L9 (one reply, no wait
without end), I6."""
import re

from witness import mark

NO_INSIDE = ("NOOP", "VRFY", "EXPN", "HELP", "QUIT", "RSET", "EHLO", "HELO", "BDAT")


def where_of(transaction):
    return f"message {transaction.mark[0]}.{transaction.mark[1]}" if transaction.mark else "a message without mark"


# -- L1: a yes

def a_yes_needs_a_yes(case):
    for view in case.outside:
        for transaction in view.transactions:
            _envelope(case, view, transaction)
            if transaction.answer and transaction.answer.code // 100 == 2:
                _message(case, transaction)


def _envelope(case, view, transaction):
    """2yz to MAIL or RCPT, 354 to DATA: inside had said so to the same command."""
    if transaction.mark is None:
        return
    if transaction.mail.is_class(2) and not _said_yes(case.asked(rb"MAIL FROM:", transaction.mark), transaction.mail):
        case.fault("L1", where_of(transaction), "yes to MAIL outside, without one inside")
    for number, rcpt in enumerate(transaction.rcpts, 1):
        asked = [(v, a) for v, a in case.asked(rb"RCPT TO:", transaction.mark) if _path(a.octets) == _path(rcpt.octets)]
        if rcpt.is_class(2) and not _said_yes(asked, rcpt):
            case.fault("L1", where_of(transaction), f"yes to recipient {number} outside, without one inside")
    for data in transaction.datas:
        if data.code == 354 and not case.messages_of(transaction.mark):
            case.fault("L1", where_of(transaction), "354 outside, without one inside")


def _path(octets):
    return octets[octets.find(b"<"):octets.find(b">") + 1]


def _said_yes(asked, exchange):
    return any(v.is_doubtful or (a.answer and a.answer.looks == "yes" and a.answer.kind in ("yes", "odd")
                                 and a.answer.at < exchange.reply.at) for v, a in asked)


def _message(case, transaction):
    answer = transaction.answer
    carried = case.messages_of(transaction.mark) if transaction.mark else []
    accepted = [(v, m) for v, m in carried if is_committed(m) and m.ended_at]
    if not accepted:
        case.fault("L1", where_of(transaction), f"{answer.code} outside, though inside accepted no such message")
        return
    view, message = accepted[0]
    if message.answer.at >= answer.at:
        case.fault("L1", where_of(transaction), "yes outside before inside's own")
    if message.answer.at - message.ended_at > case.limits.of("dot"):
        case.fault("L1", where_of(transaction), "yes outside for an answer that came too late")
    _recipients(case, transaction, message, view)


def _recipients(case, transaction, message, view):
    outside = [_path(r.octets) for r in transaction.rcpts if r.is_class(2)]
    inside = [_path(r.octets) for r in message.rcpts if r.answer and r.answer.looks == "yes"]
    if sorted(outside) != sorted(inside) and not view.is_doubtful:
        case.fault("L1", where_of(transaction), f"accepted for {inside}, but outside heard yes for {outside}")


def is_committed(message):
    """Did inside say, as far as it knows, that it has the message?"""
    return message.answer is not None and message.answer.looks == "yes" and message.answer.kind in ("yes", "odd")


# -- L1: own trouble

def own_trouble_is_transient(case):
    """A 5yz to what was well said needs inside's own 5yz to the same."""
    for view in case.outside:
        for transaction in view.transactions:
            if transaction.mark is None:
                continue
            _mail_refused(case, transaction)
            for rcpt in transaction.rcpts:
                _rcpt_refused(case, transaction, rcpt)
            for data in transaction.datas:
                _data_refused(case, view, transaction, data)
            _message_refused(case, view, transaction)


def _refusals(asked):
    """Codes that inside refused with."""
    return {a.answer.code for v, a in asked if a.answer and a.answer.looks == "no"}


def _judge_refusal(case, transaction, exchange, allowed, doubtful):
    if exchange.is_class(5) and exchange.code not in allowed and not doubtful:
        case.fault("L1", where_of(transaction),
                   f"own trouble said as {exchange.code} to {exchange.octets[:40]!r}; inside refused with "
                   f"{sorted(allowed) or 'nothing'}")


def _doubtful(case, transaction):
    return any(v.is_doubtful for v in case.inside if transaction.mark[0] in v.marks)


def _greeting_refusals(case, transaction):
    """Of the client's own EHLO, which then answers MAIL."""
    name = mark(transaction.mark[0]).encode()
    return {a.answer.code for v in case.inside for a in v.asked
            if a.verb in ("EHLO", "HELO") and name in a.octets and a.answer and a.answer.looks == "no"}


def _mail_refused(case, transaction):
    asked = case.asked(rb"MAIL FROM:", transaction.mark)
    allowed = _refusals(asked) | _greeting_refusals(case, transaction)
    if is_well_said(transaction.mail.octets) and not (transaction.mail.code == 555 and _uses_more(case, transaction)):
        _judge_refusal(case, transaction, transaction.mail, allowed, _doubtful(case, transaction))


def _uses_more(case, transaction):
    """A parameter that EHLO did not offer."""
    view = next(v for v in case.outside if transaction in v.transactions)
    offers = b" ".join(e.reply.octets for e in view.exchanges if e.verb == "EHLO" and e.reply).upper()
    needed = {b"BODY=BINARYMIME": b"BINARYMIME", b"BODY=8BITMIME": b"8BITMIME", b"SIZE": b"SIZE"}
    words = transaction.mail.octets.split(b">")[-1].upper().split()
    return any(needed.get(word, needed.get(word.split(b"=")[0], word)) not in offers for word in words)


def _rcpt_refused(case, transaction, rcpt):
    asked = [(v, a) for v, a in case.asked(rb"RCPT TO:", transaction.mark) if _path(a.octets) == _path(rcpt.octets)]
    allowed = _refusals(asked)
    if not transaction.mail.is_class(2):  # 503, if inside itself refused MAIL
        allowed |= {503} if _refusals(case.asked(rb"MAIL FROM:", transaction.mark)) | \
            _greeting_refusals(case, transaction) or not is_well_said(transaction.mail.octets) else set()
    if is_well_said(rcpt.octets):
        _judge_refusal(case, transaction, rcpt, allowed, _doubtful(case, transaction))


def _data_refused(case, view, transaction, data):
    asked = [(v, a) for v, a in case.asked(rb"MAIL FROM:", transaction.mark)]
    allowed = {a.answer.code for v, _ in asked for a in v.asked if a.verb == "DATA" and a.answer
               and a.answer.looks == "no"}
    before = [r for r in transaction.rcpts if r.said_at <= data.said_at]
    if not any(r.is_class(2) for r in before):  # 554 then, or 503; but not where that is own trouble
        inside = _refusals(case.asked(rb"RCPT TO:", transaction.mark)) | _refusals(asked)
        if inside or (not before or not transaction.mail.is_class(2)) and not transaction.mail.is_class(4):
            allowed |= {503, 554}
    if spoke_too_early(view, data):
        allowed |= {554}
    if is_well_said(data.octets):
        _judge_refusal(case, transaction, data, allowed, _doubtful(case, transaction))


def _message_refused(case, view, transaction):
    answers = [transaction.end] if transaction.end else []
    for exchange in {id(e): e for e in (*answers, *transaction.chunks)}.values():
        if not exchange.is_class(5) or transaction.is_foul or not is_well_said(exchange.octets):
            continue
        allowed = {a.code for _, m in case.messages_of(transaction.mark) for a in (*m.early, m.answer) if a}
        allowed |= {a.answer.code for v, _ in case.asked(rb"MAIL FROM:", transaction.mark) for a in v.asked
                    if a.verb in ("DATA", "BDAT") and a.answer}
        if not any(r.is_class(2) for r in transaction.rcpts):
            allowed |= {503, 554}
        _judge_refusal(case, transaction, exchange, {c for c in allowed if c // 100 == 5},
                       _doubtful(case, transaction))


WELL_SAID = re.compile(rb"(?i)(?:mail +from: *<[^<>\s]*>(?: [!-~]+)*|rcpt +to: *<[^<>\s]*>(?: [!-~]+)*|"
                       rb"(?!mail|rcpt)[a-z]+(?: [ -~]*)?)[ \t]*\r\n")


def is_well_said(octets):
    """A client may be sloppy, but not broken."""
    line = octets.partition(b"\r\n")[0] + b"\r\n"
    return octets == b".\r\n" or (octets.startswith(line) and len(line) < 1500 and bool(WELL_SAID.fullmatch(line)))


def spoke_too_early(view, exchange):
    """Was something there behind it before its reply?"""
    later = [e for e in view.said if e.at >= exchange.said_at]
    return any(exchange.reply is None or e.at < exchange.reply.at for e in later[1:]) or \
        any(e.octets.find(exchange.octets) >= 0 and not e.octets.endswith(exchange.octets) for e in view.said)


# -- L6

def who_does_not_wait_is_refused(case):
    """What ends a group (RFC 2920) is not answered by a yes while more lies behind it."""
    for view in case.outside:
        for exchange in view.exchanges:
            if exchange.verb in ("EHLO", "HELO", "DATA") and exchange.is_followed and exchange.code and \
                    exchange.code < 400:
                case.fault("L6", view.name, f"{exchange.code} to {exchange.octets[:40]!r}, and more lay behind it")


# -- L9

def one_reply_to_each(case):
    for view in case.outside:
        for law, words in view.faults:
            if not (case.is_killed and "without its end" in words):
                case.fault(law, view.name, words)
        _strange(case, view)
        _surplus(case, view)
        _missing(case, view)
        _waits(case, view)


def last_reply(view):
    return ([e.reply for e in view.exchanges if e.reply] + view.surplus or [None])[-1]


GOOD = {"DATA": (354,), "QUIT": (221,), "EHLO": (250,), "HELO": (250,), "MAIL": (250,), "RCPT": (250, 251, 252),
        "RSET": (250,), "BDAT": (250,), "": (220, 250)}


def _strange(case, view):
    """A yes that answers another command than the one that was said."""
    for exchange in view.exchanges:
        if exchange.code and exchange.code < 400 and exchange.code not in GOOD.get(exchange.verb, (exchange.code,)):
            case.fault("L9", view.name, f"{exchange.octets[:40]!r} answered by {exchange.reply.octets[:40]!r}")


def _surplus(case, view):
    """A 421 may come unasked, once, and is the last; as a 554 to who did not wait."""
    for number, reply in enumerate(view.surplus):
        if number > 0 or not (reply.code in (421, 554) or _answers_what_never_ended(view)):
            case.fault("L9", view.name, f"a reply too many: {reply.octets[:60]!r}")


def _answers_what_never_ended(view):
    """The refusal of a message that the client then let hang."""
    last = view.transactions[-1] if view.transactions else None
    return last is not None and last.raw and last.ended_at is None and (view.ended or view.left) is not None


def _missing(case, view):
    silent = [e for e in view.exchanges if e.reply is None]
    if not silent or case.is_killed or view.left and not is_still_there(view):
        return
    last = last_reply(view)
    if view.ended and last and (last.code in (421, 554, 221) or last.code == 501):
        return  # it had said goodbye
    how = f"ended with {view.ended.words}" if view.ended else "nothing came"
    case.fault("L9", view.name, f"no reply to {silent[0].octets[:40] or b'(the connection)'!r}: {how}")


def is_still_there(view):
    """It half-closed, behind a QUIT that nobody can have read yet: something before it was unanswered."""
    last = view.exchanges[-1]
    before = [e for e in view.exchanges[:-1] if e.reply is None or e.reply.at > last.said_done]
    return view.left.words == "half" and last.verb == "QUIT" and bool(before)


def _waits(case, view):
    if view.waited:
        case.fault("L9", view.name, f"kept waiting: {view.waited.words}")
    for exchange in view.exchanges:
        waited = exchange.reply.at - exchange.said_done if exchange.reply and exchange.kind != "banner" else 0
        if waited > case.limits.reply:
            case.fault("L9", view.name, f"{exchange.octets[:40]!r} waited {waited:.1f} s")


# -- I6

def clean_messages_pass(case):
    found = {t.mark: t for view in case.outside for t in view.transactions}
    for mark in sorted(case.must_pass):
        transaction = found.get(mark)
        answer = transaction.answer if transaction else None
        if answer is None or answer.code // 100 != 2:
            heard = answer.octets if answer else "nothing" if transaction else "not even MAIL was said"
            case.fault("I6", f"message {mark[0]}.{mark[1]}", f"a clean message did not pass: {heard!r}")


LAWS = (a_yes_needs_a_yes, own_trouble_is_transient, who_does_not_wait_is_refused, one_reply_to_each, clean_messages_pass)
