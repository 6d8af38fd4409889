"""A reader for the crash trials: fetches and deletes while others
send, and writes down what it knows for sure.

readers.py PORT USER PASSWORD STOP_FILE RECORD_FILE

RECORD_FILE gets, per session that deleted: "gone ID..." when QUIT said +OK, "unsure ID..." when
its answer did not come, and "BROKEN ..." for what must never be.  Ends when STOP_FILE exists.
"""
import hashlib
import os
import poplib
import re
import sys
import time

port, user, password, stop_file, record_file = int(sys.argv[1]), *sys.argv[2:]
record = open(record_file, "a", buffering=1)
turn = 0


def fetch(box, number):
    """The id of a whole message."""
    reply, lines, _ = box.retr(number)
    octets = b"".join(line + b"\r\n" for line in lines)
    found = re.search(rb"X-Id: (\S+)\r\nX-Digest: (\S+)\r\n\r\n", octets)
    if len(octets) != int(reply.split()[1]) or not found or \
            hashlib.sha256(octets[found.end():]).hexdigest() != found[2].decode():
        record.write("BROKEN message %d: %r\n" % (number, reply))
    return found[1].decode() if found else "?"


while not os.path.exists(stop_file):
    turn += 1
    marked, said_quit = [], False
    try:
        box = poplib.POP3("127.0.0.1", port, timeout=10)
        box.user(user)
        box.pass_(password)
        for number in range(1, min(box.stat()[0], 12) + 1):
            name = fetch(box, number)
            if number % 3:
                box.dele(number)
                marked.append(name)
        if turn % 5 == 0:                       # gone without QUIT: nothing may be deleted
            box.close()
            continue
        said_quit = True
        box.quit()
        record.write("gone %s\n" % " ".join(marked))
    except (OSError, EOFError, poplib.error_proto):
        if said_quit and marked:                # all of them or none
            record.write("unsure %s\n" % " ".join(marked))
        time.sleep(0.02)
