"""A tenant with secrets, for others to look for: in memory, environment, data and log."""

import os
import sys
import time

path = os.path.join(os.environ["TEN_DATA_DIR"], "secret")
with open(path, "w") as file:
    file.write(os.environ["SECRET"])
os.chmod(path, 0o600)
print("the secret is", os.environ["SECRET"], sys.argv[1], flush=True)

import socket  # noqa: E402

where = os.environ["SOCKET_PATH"]
os.makedirs(os.path.dirname(where), exist_ok=True)
with socket.socket(socket.AF_UNIX) as beside:
    beside.bind(where)
    os.chmod(where, 0o666)
    beside.listen(64)
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as server:
        server.listen()
        while True:
            link, _ = server.accept()
            link.close()
            time.sleep(0)
