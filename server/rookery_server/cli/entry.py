"""Where the console script `rookeryd` begins.

Worker processes import the script that their parent was started with once more, and with it whatever it imports: so that is next to
nothing, and the commands themselves are imported when the script runs.
"""

from __future__ import annotations


def main() -> None:
    """Runs the command."""
    from rookery_server.cli.main import main as run  # noqa: PLC0415 - see above

    run()
