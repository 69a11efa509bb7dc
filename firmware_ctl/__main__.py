"""`python -m firmware_ctl` is `firmware-ctl`."""

from firmware_ctl.cli.main import main

if __name__ == "__main__":
    main()
