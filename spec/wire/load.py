"""Senders for the crash trials: several at once, each writes down what the server acknowledged.

load.py PORT SENDERS STOP_FILE RECORD_FILE RECIPIENT...

Every message carries an id and a digest of its body.  An id is written to RECORD_FILE when the
reply to the final dot was 250, before the next message begins.  Ends when STOP_FILE exists.
"""
import hashlib
import os
import socket
import sys
import threading
import time

port, senders, stop_file, record_file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
recipients = sys.argv[5:]
record = os.open(record_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


class Refused(Exception):
    pass


def reply(stream, expected):
    while True:
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("gone")
        if line[3:4] != b"-":
            if not line.startswith(expected):
                raise Refused(line)
            return


def message(name, number):
    size = (number % 7) ** 4 * 40 + 10          # from a few octets to 50 KB
    body = b"".join(b"%06d .x%s\r\n" % (i, name) for i in range(size // 20 + 1))
    if number % 40 == 39:                       # now and then one that goes into a file
        body *= 70000 // len(body) + 1
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"X-Id: %s\r\nX-Digest: %s\r\n\r\n%s" % (name, digest, body)


def sender(index):
    number = 0
    while not os.path.exists(stop_file):
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as sock:
                stream = sock.makefile("rb")
                reply(stream, b"220")
                sock.sendall(b"EHLO load.example\r\n")
                reply(stream, b"250")
                for _ in range(20):
                    if os.path.exists(stop_file):
                        break
                    number += 1
                    name = b"%d.%d.%d" % (os.getpid(), index, number)
                    to = recipients[number % len(recipients)].encode()
                    sock.sendall(b"MAIL FROM:<load@example.org>\r\nRCPT TO:<" + to + b">\r\nDATA\r\n")
                    reply(stream, b"250")
                    reply(stream, b"250")
                    reply(stream, b"354")
                    sock.sendall(message(name, number).replace(b"\r\n.", b"\r\n..") + b".\r\n")
                    reply(stream, b"250")
                    os.write(record, name + b" " + to + b"\n")
        except Refused as refusal:
            if refusal.args[0][:1] != b"4":     # a tempfail is fine while a process is replaced
                os.write(record, b"REFUSED " + refusal.args[0].strip() + b"\n")
            time.sleep(0.02)
        except OSError:
            time.sleep(0.02)


threads = [threading.Thread(target=sender, args=(i,)) for i in range(senders)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
