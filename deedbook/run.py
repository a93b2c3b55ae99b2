"""`deedbook run`: the machine, and on it a demo market with a funded trader whose key is shown."""

from collections.abc import Callable

from deedbook.demo.resident import show
from deedbook.machine import Machine
from deedbook.settings import Settings


def _say(text: str) -> None:
    print(text, flush=True)  # whoever follows a pipe or a file reads it now


async def run(settings: Settings, say: Callable[[str], None] = _say) -> int:
    """Until SIGINT or SIGTERM; 0 after a wanted stop, 1 when something did not start or kept ending."""
    machine = Machine(settings, say)

    async def when_ready() -> None:
        if settings.demo_market:
            show(machine.settings, say)
        say(f"Ready: http://127.0.0.1:{machine.settings.port} (Ctrl-C stops everything)")

    return await machine.run(when_ready)
