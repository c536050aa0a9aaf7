"""`make bench`: every benchmark in turn, each a ratio against a peer in the same run.

A benchmark that lacks its peer or a program says so and the others go on; the exit status is 1
if one failed.
"""

import argparse
import subprocess
import sys

BENCHES = (
    "bench_ring",
    "bench_spawn",
    "bench_door",
    "check_autobahn",
    "check_http3",
    "bench_wake",
    "bench_tenants",
    "bench_bodies",
    "bench_console",
    "bench_metrics",
)


def main() -> int:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("names", nargs="*", default=list(BENCHES), metavar="NAME")
    failed = []
    for name in parser.parse_args().names:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
