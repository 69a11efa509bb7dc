"""The entrance: `python -m firmware_ctl` and `firmware-ctl`."""

import sys


def main() -> None:
    """Runs the command of the process. Ctrl-C ends it without a word, also during the imports."""
    try:
        from firmware_ctl.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
