"""aiosmtpd with a small handler: one Maildir for each recipient.  HOST PORT FOLDER CERTIFICATE KEY"""
import asyncio
import mailbox
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Maildirs:
    def __init__(self, folder):
        self.folder = folder
        self.boxes = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if not address.endswith("@example.test"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            name = address.partition("@")[0]
            if name not in self.boxes:
                self.boxes[name] = mailbox.Maildir(os.path.join(self.folder, name))
            self.boxes[name].add(envelope.content)      # flushes the file
        return "250 2.0.0 stored"


async def serve(host, port, folder, certificate, key):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    os.makedirs(folder, exist_ok=True)
    handler = Maildirs(folder)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="mail.example.test", tls_context=tls, data_size_limit=60000000),
        host, int(port), backlog=4096)
    await server.serve_forever()


asyncio.run(serve(*sys.argv[1:]))
