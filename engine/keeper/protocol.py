"""What keeper and engine say to each other, and how it travels.

One SOCK_SEQPACKET pair; a message is one JSON object, at most `MAX_MESSAGE` bytes, with file
descriptors as SCM_RIGHTS in the order the message names them.

Keeper to engine, once at its start, in this order:

| message | fields | fds |
|---|---|---|
| welcome | keeper_pid, boot_id, fds: ["api", "door_api"] | the two listening Unix sockets |
| instance | name, pid, start_ticks, main_pid, cgroup, blob, is_adopted, exit (null, or {status, time}) | pidfd, stdout FIFO, stderr FIFO |
| fifo | name: FIFOs held without a process | stdout FIFO, stderr FIFO |
| door | index, pid; again whenever that door is started anew | engine's end of a fresh pair |
| ready | nothing: the list is complete. Sent once spawns left by a dead engine have ended | |

Keeper to engine, later:

| message | fields |
|---|---|
| exit | name, pid, status (wait status, null if unknown), time (epoch). Kept until `ack` |
| shutdown | within: seconds the engine has to stop its instances |
| reload | SIGHUP came |
| reply | re: seq, ok: true, and for a spawn pid, main_pid, start_ticks + fds [pidfd, stdout, stderr]; for sockets count + that many fds |
| reply | re: seq, ok: false, step, errno, path, index (of the step in the plan, -1 if none) |

Engine to keeper:

| op | fields | answer |
|---|---|---|
| spawn | seq, name, plan, cgroup ("" or path), blob | reply |
| ack | name, pid: the exit status was taken; process and record are forgotten | |
| release | name: FIFOs are closed and unlinked. Only where no process is held | |
| sockets | seq, pid, count (1 to 250), family ("inet", "inet6") | reply |
| kill | name: end every process of the instance now, by the surest way there is | |
| ready | the engine answers on its API: READY=1 goes to the service manager | |
| shutdown_done | every instance has ended; the keeper may end the rest | |

`kill` writes cgroup.kill and sends SIGKILL to PID 1 of a namespace. A `process` instance without
a cgroup has a subreaper (`pid`): SIGRTMIN tells it to kill every descendant and exit; killed
itself, its orphans come to the keeper, which kills them. SIGTERM and the like sent to `pid` of an
instance with a reaper are passed on to the main program's process group.

A door has a pair of its own with the keeper, for sockets of instances' network namespaces, which
it needs also while no engine is there. It asks in fixed form, struct "=IQI": pid, start_ticks,
count (1 to 64); the answer is {"type": "supplied", pid, start_ticks} with that many sockets, or
with errno and none.

A spawn is answered EEXIST while the name is held, EINVAL for a plan that is no plan, ETIMEDOUT
after `SPAWN_SECONDS`, ESHUTDOWN while the keeper stops, E2BIG for a message too large. FIFOs stay
the same over all processes of one name until `release`.
"""  # noqa: E501 - tables

MAX_MESSAGE = 180_000
"""Bytes of one message; a default-sized socket buffer takes it whole."""

SPAWN_SECONDS = 10.0
"""How long a launch may take until the program runs."""

SHUTDOWN_SECONDS = 25.0
"""How long the engine may take to stop its instances."""

Message = dict[str, object]
