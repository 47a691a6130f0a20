# SPDX-License-Identifier: ISC
"""Laws that the log is held against: I7 (it tells the truth, and names the one doubt), L8, and of L9 that a hang-up
frees the worker."""
from laws_outside import is_committed, where_of
from witness import mark, marks_in

VERDICTS = ("delivered", "refused", "deferred", "dropped", "aborted", "lost", "unknown")
UNHEARD = "the client had hung up before the answer"


def sessions_end(case):
    """Each outside connection has one event=session, and soon after it hung up."""
    for view in case.outside:
        line = session_of(case, view)
        if line is None:
            if not case.is_killed:
                case.fault("L9", view.name, "no event=session: its worker was not seen to end it")
            continue
        left = view.left if view.left and view.left.words != "half" else None
        if left and line.at - max(left.done, last_dot(case, view)) > case.limits.hang_up:
            case.fault("L9", view.name, f"its worker was held {line.at - left.done:.1f} s after it had hung up")


def session_of(case, view):
    mine = [l for l in case.log if l.event == "session" and (l.fields.get("port") == view.port or
            f"{mark(view.number)}." in l.fields.get("helo", ""))]
    return mine[0] if mine else None


def last_dot(case, view):
    """Between the dot and its answer inside is awaited: until then nobody need be free."""
    moments = [m.answer.done if m.answer else m.ended_at + min(case.limits.of("dot"), 3600)
               for inside in case.inside_of(view) for m in inside.messages if m.ended_at]
    return max(moments, default=0)


def one_session_one_client(case):
    for line in case.log:
        whose = {c for name in ("helo", "from", "to", "refused", "message_id", "reply")
                 for c, _ in marks_in(line.fields.get(name, "").encode())}
        if len(whose) > 1:
            case.fault("L8", f"session {line.session}", f"a log line names connections {sorted(whose)}")


def lines_of(case, transaction):
    word = f"<{mark(*transaction.mark)}@"
    return [l for l in case.log if l.event == "message" and l.fields.get("from", "").startswith(word)]


def log_tells_the_truth(case):
    for view in case.outside:
        for transaction in view.transactions:
            if transaction.mark is None:
                continue
            lines = lines_of(case, transaction)
            if len(lines) > 1:
                case.fault("I7", where_of(transaction), f"{len(lines)} lines event=message")
            if not lines and transaction.mail.is_class(2) and not case.is_killed:
                case.fault("I7", where_of(transaction), "no line event=message")
            for line in lines:
                _judge_line(case, view, transaction, line)


def _judge_line(case, view, transaction, line):
    verdict = line.fields.get("verdict", "")
    allowed, why = _allowed(case, transaction)
    if verdict not in allowed:
        case.fault("I7", where_of(transaction), f"verdict={verdict} in the log, but {why}")
    if verdict == "delivered" and line.fields.get("reason") != UNHEARD and _hung_up_before(view, case, transaction):
        case.fault("I7", where_of(transaction), "the client had hung up before inside's yes, and no line says so")
    answer = transaction.answer
    if answer and verdict in ("delivered", "refused", "deferred") and answer.code // 100 != \
            {"delivered": 2, "refused": 5, "deferred": 4}[verdict]:
        case.fault("I7", where_of(transaction), f"verdict={verdict} in the log, but outside heard {answer.code}")


def _allowed(case, transaction):
    """What may be logged, and in words why."""
    ended = [(v, m) for v, m in case.messages_of(transaction.mark) if m.ended_at]
    if not ended:
        unread = {"unknown"} if transaction.ended_at and _may_have_missed(case, transaction) else set()
        return set(VERDICTS) - {"delivered", "unknown"} | unread, "its end never went inside"
    view, message = ended[0]
    answer = message.answer
    if message.early or view.is_doubtful:  # what inside said may have been taken for another answer
        return set(VERDICTS) - {"dropped"}, "inside spoke out of turn"
    if answer is None or answer.kind == "bad" or answer.at - message.ended_at > case.limits.of("dot"):
        return {"unknown"}, "inside was lost after its end"
    if answer.looks == "no":
        return {"refused" if answer.code // 100 == 5 else "deferred"} | _close(answer), f"inside said {answer.code}"
    if answer.kind == "odd":
        return {"delivered", "unknown"}, "inside said yes, in an odd way"
    return {"delivered"}, "inside said yes"


def _may_have_missed(case, transaction):
    """Inside's connection ended in a way that leaves octets unread: the end may have been on its way."""
    ends = [view.events[-1] for view, _ in case.messages_of(transaction.mark)]
    return any((end.kind, end.words) != ("ended", "FIN") for end in ends)


def _close(answer):
    return {"unknown"} if answer.kind == "odd" else set()


def _hung_up_before(view, case, transaction):
    left = view.left if view.left and view.left.words != "half" else None
    answers = [m.answer for _, m in case.messages_of(transaction.mark) if is_committed(m)]
    behind = any(e.said_at >= transaction.end.said_at for e in view.exchanges if e is not transaction.end) \
        if transaction.end else False  # who pipelined more is still there (L9)
    return left is not None and not behind and transaction.answer is None and any(left.done < a.at for a in answers)


LAWS = (sessions_end, one_session_one_client, log_tells_the_truth)
