"""smtplib and poplib against a running server: clients.py clear|starttls|tls SMTP_PORT POP3_PORT CA"""
import email.message
import poplib
import smtplib
import ssl
import sys

transport, smtp_port, pop3_port, ca = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
context = ssl.create_default_context(cafile=ca)
ALICE, BOB = "alice@example.test", "bob@example.test"


def sender():
    if transport == "tls":
        smtp = smtplib.SMTP_SSL("127.0.0.1", smtp_port, timeout=20, context=context)
    else:
        smtp = smtplib.SMTP("127.0.0.1", smtp_port, timeout=20)
    if transport == "starttls":
        smtp.starttls(context=context)
    if transport != "clear":
        smtp.login(ALICE, "alice-secret")
    smtp.ehlo_or_helo_if_needed()
    return smtp


def reader():
    if transport == "tls":
        pop = poplib.POP3_SSL("127.0.0.1", pop3_port, timeout=20, context=context)
    else:
        pop = poplib.POP3("127.0.0.1", pop3_port, timeout=20)
    if transport == "starttls":
        pop.stls(context=context)
    capabilities = pop.capa()
    assert "UIDL" in capabilities and "TOP" in capabilities, capabilities
    assert ("STLS" in capabilities) == (transport == "clear"), capabilities
    pop.user(BOB)
    pop.pass_("bob-secret")
    return pop


def letter(subject, body):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = ALICE, BOB, subject
    message.set_content(body)
    return message


smtp = sender()
for feature in ("pipelining", "8bitmime", "size", "smtputf8", "enhancedstatuscodes", "chunking"):
    assert smtp.has_extn(feature), feature
assert smtp.has_extn("starttls") == (transport == "clear")
assert smtp.send_message(letter("one", "Hello Bob\n.\n..\n")) == {}
assert smtp.send_message(letter("two", "Привет, Боб\n" * 1000)) == {}
big = letter("three", "three")
big.add_attachment(bytes(range(256)) * 2000, maintype="application", subtype="octet-stream", filename="all.bin")
assert smtp.send_message(big) == {}
try:
    smtp.sendmail(ALICE, ["nobody@example.test"], "Subject: x\r\n\r\nx\r\n")
    raise SystemExit("an unknown recipient was accepted")
except smtplib.SMTPRecipientsRefused as refused:
    code, text = refused.recipients["nobody@example.test"]
    assert code == 550 and text.startswith(b"5.1.1"), (code, text)
smtp.sendmail(ALICE, [BOB, ALICE], "Subject: four\r\n\r\nwith UTF-8 ж\r\n".encode(),
              mail_options=["SMTPUTF8", "BODY=8BITMIME"])
assert smtp.noop()[0] == 250 and smtp.rset()[0] == 250 and smtp.vrfy(BOB)[0] in (250, 252)
assert smtp.help()
smtp.quit()

pop = reader()
count, octets = pop.stat()
assert count == 4, count
listing = [line.split() for line in pop.list()[1]]
assert sum(int(size) for _, size in listing) == octets
uidls = [line.split()[1] for line in pop.uidl()[1]]
assert len(set(uidls)) == 4
texts = [b"\r\n".join(pop.retr(number + 1)[1]) + b"\r\n" for number in range(count)]
assert [len(text) for text in texts] == [int(size) for _, size in listing]
parsed = [email.message_from_bytes(text, policy=email.policy.default) for text in texts]
assert [m["Subject"] for m in parsed] == ["one", "two", "three", "four"]
assert parsed[0].get_content().replace("\r\n", "\n") == "Hello Bob\n.\n..\n"
assert parsed[1].get_content().replace("\r\n", "\n") == "Привет, Боб\n" * 1000
assert next(parsed[2].iter_attachments()).get_content() == bytes(range(256)) * 2000
assert all(m["Return-Path"] == "<alice@example.test>" and m["Received"] for m in parsed)
top = pop.top(1, 1)[1]
assert top[-1] == b"Hello Bob", top
for number in range(count):
    pop.dele(number + 1)
assert pop.stat() == (0, 0)
pop.rset()
assert pop.stat()[0] == 4
for number in range(count):
    pop.dele(number + 1)
pop.quit()
pop = reader()
assert pop.stat() == (0, 0)
pop.quit()
print("all is well")
