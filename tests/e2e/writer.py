"""A tenant's program that stores what it is told to: see `obey`."""

import errno
import fcntl
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import BinaryIO

held: list[BinaryIO] = []


def obey(words: list[str]) -> str:
    folder = os.environ["TEN_DATA_DIR"]
    try:
        match words:
            case ["write", name, size]:
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(b"x" * (int(size) << 10))
                return "written"
            case ["hold", name]:
                held.append(open(os.path.join(folder, name), "wb"))  # noqa: SIM115
                return "held"
            case ["leave", name]:  # its project: FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
                with open(os.path.join(folder, name), "rb") as file:
                    found = fcntl.ioctl(file, 0x801C581F, bytes(28))
                    fcntl.ioctl(file, 0x401C5820, found[:12] + bytes(4) + found[16:])
                return "left"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "?"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = obey(self.path.strip("/").split("/")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
