# SPDX-License-Identifier: ISC
"""Each check of a policy that asks DNS, before a real Postfix: watched (logged, mail passes), enforced (refused in the
text that was configured), and with its DNS dead or silent (as on_unsure says, within resolver_deadline). A row is a
case; policy_rig plays them all at once."""
import re

import pytest

import policy_rig
import stories
from name_server import reverse_name
from policy_rig import DEAD, DEADLINE_S, ENFORCE, WATCH, Case, reply_of

LISTED = {"2.0.0.127.zen.test": ["A 127.0.0.2"], "7.2.0.192.zen.test": ["A 127.0.0.4", 'TXT "sends junk"']}
MANY_ADDRESSES = " ".join(f'"ip4:198.51.100.{number} "' for number in range(120))  # more than a datagram has room for

CASES = [
    Case("dnsbl-reject",
         "dnsbl { mode = MODE  list zen { zone = zen.test  replies = 127.0.0.[2..11]  action = reject } }",
         LISTED, r"554 5\.7\.1 Refused: 192\.0\.2\.7 is listed by zen.*", "check=dnsbl .*would=reject",
         r"dnsbl=.*127\.0\.0\.4"),
    Case("dnsbl-text", "dnsbl { mode = MODE  list zen { zone = zen.test  action = reject  text = yes } }",
         LISTED, r"554 5\.7\.1 .*listed by zen: sends junk", "check=dnsbl .*would=reject"),
    Case("dnsbl-score", """mode = MODE  reject_at = 8
         dnsbl { mode = enforce  list zen { zone = zen.test  score = 5 }  list other.test { score = 3 } }""",
         {**LISTED, "7.2.0.192.other.test": ["A 127.0.0.2"], "2.0.0.127.other.test": ["A 127.0.0.2"]},
         r"554 5\.7\.1 .*", "check=score .*would=reject", "dnsbl=.*other.test: 127.0.0.2, 3 points"),
    Case("dnsbl-not-listed", "dnsbl { mode = MODE  list zen { zone = zen.test  action = reject } }", LISTED,
         client="192.0.2.8"),
    Case("dnsbl-six", "dnsbl { mode = MODE  list six.test { action = reject } }",
         {"2.0.0.127.six.test": ["A 127.0.0.2"],
          reverse_name("2001:db8::7").replace("ip6.arpa", "six.test"): ["A 127.0.0.2"]},
         r"554 5\.7\.1 Refused: 2001:db8::7 is listed by six\.test", "check=dnsbl .*would=reject", client="2001:db8::7"),
    Case("dnsbl-sender", "dnsbl { mode = MODE  list dbl.test { of = sender  action = reject } }",
         {"test.dbl.test": ["A 127.0.0.2"], "junk.test.dbl.test": ["A 127.0.1.2"]},
         r"554 5\.7\.1 Refused: junk\.test is listed by dbl\.test", "check=dnsbl .*would=reject",
         sender="ann@junk.test"),
    Case("rdns-none", 'rdns { mode = MODE  none = reject  reply = "No name, no mail" }', {},
         r"550 5\.7\.25 No name, no mail", "check=rdns .*would=reject", "rdns=.*no name", client="192.0.2.21"),
    Case("rdns-unconfirmed", "rdns { mode = MODE  unconfirmed = reject }",
         {reverse_name("192.0.2.22"): ["PTR mail.liar.test."], "mail.liar.test": ["A 192.0.2.99"]},
         r"550 5\.7\.25 The name of your address .* does not lead back to it", "check=rdns .*would=reject",
         "rdns=.*mail.liar.test", client="192.0.2.22"),
    Case("rdns-confirmed", "rdns { mode = MODE  none = reject  unconfirmed = reject }",
         {reverse_name("192.0.2.23"): ["PTR mail.good.test."], "mail.good.test": ["A 192.0.2.99", "A 192.0.2.23"]},
         noted="rdns=.*mail.good.test", client="192.0.2.23"),
    Case("rdns-odd", "rdns { mode = MODE  none = reject }", {reverse_name("192.0.2.24"): [r"PTR a\013\010b.test."]},
         r"550 5\.7\.25 Your address has no name in DNS \(PTR\)", "check=rdns .*would=reject", client="192.0.2.24"),
    Case("rdns-six", "rdns { mode = MODE  none = reject  unconfirmed = reject }",
         {reverse_name("2001:db8::25"): ["PTR six.good.test."], "six.good.test": ["AAAA 2001:db8::25"]},
         noted="rdns=.*six.good.test", client="2001:db8::25"),
    Case("helo-unknown", 'helo { mode = MODE  unknown = reject  reply = "Who is that?" }', {},
         r"550 5\.7\.1 Who is that\?", "check=helo .*would=reject", "helo=.*has no A", helo="nobody.gone.test"),
    Case("helo-known", "helo { mode = MODE  unknown = reject }", {"six.helo.test": ["AAAA 2001:db8::31"]},
         noted="helo=.*has AAAA", helo="six.helo.test"),
    Case("helo-own", "helo { mode = MODE  own = reject  unknown = accept }", {},
         r"550 5\.7\.1 You greet with a name of ours", "check=helo .*would=reject", helo="gate.example.org",
         needs_dns=False),
    Case("helo-literal", "helo { mode = MODE  literal = reject }", {},
         r"550 5\.7\.1 You greet with an address that is not yours", "check=helo .*would=reject", helo="[192.0.2.99]",
         needs_dns=False),
    Case("sender-unknown", 'sender { mode = MODE  unknown = reject  reply = "Nobody is there" }', {},
         r"550 5\.1\.8 Nobody is there", "check=sender .*would=reject", sender="ann@gone.test"),
    Case("sender-null-mx", "sender { mode = MODE  null_mx = reject }", {"null.test": ["MX 0 ."]},
         r"550 5\.7\.27 The sender's domain takes no mail \(null MX\)", "check=sender .*would=reject",
         sender="ann@null.test"),
    Case("sender-nowhere", "sender { mode = MODE  nowhere = reject }",
         {"nowhere.test": ["MX 10 here.test."], "here.test": ["A 127.0.0.1"]},
         r"550 5\.1\.8 The mail servers of the sender's domain lead nowhere", "check=sender .*would=reject",
         sender="ann@nowhere.test"),
    Case("sender-by-address", "sender { mode = MODE  unknown = reject  nowhere = reject }",
         {"a.sender.test": ["A 192.0.2.41"]}, sender="ann@a.sender.test"),
    Case("sender-by-mx", "sender { mode = MODE  unknown = reject  nowhere = reject }",
         {"mx.sender.test": ["MX 10 there.sender.test."], "there.sender.test": ["A 192.0.2.42"]},
         sender="ann@mx.sender.test"),
    Case("spf-fail", 'spf { mode = MODE  fail = reject  reply = "Not from there" }',
         {"fail.test": ['TXT "v=spf1 -all"']}, r"550 5\.7\.23 Not from there", "check=spf .*would=reject",
         sender="ann@fail.test"),
    Case("spf-pass", "spf { mode = MODE  fail = reject }",
         {"pass.test": ['TXT "v=spf1 mx -all"', 'TXT "not that"', "MX 10 mx.pass.test."],
          "mx.pass.test": ["A 192.0.2.7"]}, noted="spf=.*pass", sender="ann@pass.test"),
    Case("spf-by-tcp", "spf { mode = MODE  fail = reject }",
         {"large.test": [f'TXT "v=spf1 " {MANY_ADDRESSES} "-all"']}, r"550 5\.7\.23 .*", "check=spf .*would=reject",
         sender="ann@large.test"),
    Case("access-reject", 'access { mode = MODE  reject = "192.0.2.51"  reply = "Not you" }', {},
         r"554 5\.7\.1 Not you", "check=access .*would=reject", client="192.0.2.51", needs_dns=False),
    Case("access-defer", 'access { mode = MODE  defer_sender = "later.test Come back" }', {},
         r"450 4\.7\.1 Come back", "check=access .*would=defer", sender="ann@later.test", needs_dns=False),
    Case("access-name", 'access { mode = MODE  reject = ".pool.test"  reply = "Not from a pool" }',
         {reverse_name("192.0.2.52"): ["PTR c.pool.test."], "c.pool.test": ["A 192.0.2.52"]},
         r"554 5\.7\.1 Not from a pool", "check=access .*would=reject", client="192.0.2.52"),
    Case("mailbox-unknown", 'mailbox { mode = MODE  valid_recipients = "ann@example.org" }', {},
         r"550 5\.1\.1 No such mailbox here", "check=mailbox .*would=reject", needs_dns=False),
    Case("mailbox-trap", 'mailbox { mode = MODE  traps = "@example.org" }', {},
         r"550 5\.1\.1 No such mailbox here", "check=mailbox .*would=reject", needs_dns=False),
]
BY_NAME = {case.name: case for case in CASES}
REFUSED = [case.name for case in CASES if case.refused]
PASSING = [case.name for case in CASES if not case.refused]


@pytest.fixture(scope="module")
def rig(running_postfix):
    made = policy_rig.Rig(running_postfix, CASES)
    yield made
    made.stop()


@pytest.fixture
def played(rig):
    """A function: what came of this case in this way."""
    stories.add(rig.postfix)

    def get(name, way):
        one = rig.played[name, way.name]
        stories.add(one)
        return one
    return get


def check_delivered(rig, played):
    assert reply_of(played).startswith("250 "), played.story()
    message = rig.postfix.only_message(played.recipient)
    assert message.sender == played.case.sender
    assert any(re.search(rf"event=message .*verdict=delivered .*queue_id={message.queue_id}", line)
               for line in played.lines()), played.story()


def check_refused(rig, played, reply):
    assert re.fullmatch(reply, reply_of(played)), played.story()
    assert rig.postfix.messages(played.recipient) == []
    word = "deferred" if reply.startswith("4") else "refused"
    assert any(re.search(f"event=message .*verdict={word} ", line) for line in played.lines()), played.story()


@pytest.mark.parametrize("name", REFUSED)
def test_watched(rig, played, name):
    one = played(name, WATCH)
    check_delivered(rig, one)
    assert any("event=watched " in line and re.search(one.case.watched, line) for line in one.lines()), one.story()


@pytest.mark.parametrize("name", REFUSED)
def test_enforced(rig, played, name):
    one = played(name, ENFORCE)
    check_refused(rig, one, one.case.refused)
    assert not any("event=watched " in line for line in one.lines()), one.story()


@pytest.mark.parametrize("way", [WATCH, ENFORCE], ids=lambda way: way.name)
@pytest.mark.parametrize("name", PASSING)
def test_who_is_well_passes(rig, played, name, way):
    check_delivered(rig, played(name, way))
    assert not any("event=watched " in line for line in played(name, way).lines()), played(name, way).story()


@pytest.mark.parametrize("way", [WATCH, ENFORCE], ids=lambda way: way.name)
@pytest.mark.parametrize("name", [case.name for case in CASES if case.noted])
def test_what_was_found_is_noted(played, name, way):
    one = played(name, way)
    assert any(re.search(one.case.noted, line) for line in one.lines()), one.story()


@pytest.mark.parametrize("way", DEAD, ids=lambda way: way.name)
@pytest.mark.parametrize("name", [case.name for case in CASES if case.needs_dns])
def test_with_dns_dead(rig, played, name, way):
    """Mail flows, or is put off, within resolver_deadline; the rest of the time is the machine's."""
    one = played(name, way)
    if way.on_unsure == "pass":
        check_delivered(rig, one)
    else:
        check_refused(rig, one, one.case.unsure)
    assert one.seconds < DEADLINE_S + 6, one.story()
