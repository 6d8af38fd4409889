"""Fetch a whole maildrop and check every message of load.py: fetch.py PORT USER PASSWORD

Prints the id of each message, once per copy; "BROKEN id" when its octets are not what was sent.
"""
import hashlib
import poplib
import sys

poplib._MAXLINE = 1 << 20
drop = poplib.POP3("127.0.0.1", int(sys.argv[1]), timeout=30)
drop.user(sys.argv[2])
drop.pass_(sys.argv[3])
count, octets = drop.stat()
seen = 0
for number in range(1, count + 1):
    lines = drop.retr(number)[1]
    text = b"".join(line + b"\r\n" for line in lines)
    seen += len(text)
    head, _, body = text.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
    name = fields.get(b"X-Id", b"?").decode()
    good = hashlib.sha256(body).hexdigest().encode() == fields.get(b"X-Digest")
    print(name if good else "BROKEN " + name)
if seen != octets:
    print("BROKEN size: STAT said %d, RETR gave %d" % (octets, seen))
drop.quit()
