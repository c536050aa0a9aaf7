"""The console on a fake engine, for looking at it and for measuring."""

import argparse

from ten_tui.app import TenApp
from ten_tui.client import Endpoint, connect
from ten_tui.driver import ConsoleDriver
from tests.tui.demo import many_instances
from tests.tui.fake import FakeEngine, demo_engine, make_hostile


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=0)
    parser.add_argument("--lines", type=float, default=20.0)
    parser.add_argument("--busy", type=float, default=1.0)
    parser.add_argument("--theme")
    parser.add_argument("--logs")
    parser.add_argument("--socket", help="of an engine that runs, instead of the fake one")
    parser.add_argument("--hostile", action="store_true", help="logs that attack the terminal")
    given = parser.parse_args()
    if given.socket:
        TenApp(
            lambda: connect(Endpoint(socket=given.socket)),
            theme_name=given.theme,
            logs=given.logs,
            driver_class=ConsoleDriver,
        ).run()
        return
    if given.instances:
        engine = FakeEngine(
            {one.name: one for one in many_instances(given.instances)},
            is_ticking=True,
            busy=given.busy,
        )
    else:
        engine = demo_engine(is_ticking=True, busy=given.busy)
    engine.lines_per_second = given.lines
    if given.hostile:
        make_hostile(engine)
    TenApp(
        engine.connect, theme_name=given.theme, logs=given.logs, driver_class=ConsoleDriver
    ).run()


if __name__ == "__main__":
    main()
