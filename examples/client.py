"""Asks a mat: `python client.py PORT [REQUEST...]`, as in `client.py /dev/pts/3 "start neck"`."""

import sys

import serial

HELLO = "\x15hello"  # Ctrl-U drops half a line; `hello` turns echo, events and lease off

try:
    with serial.serial_for_url(sys.argv[1], 115200, timeout=2) as port:
        for request in (HELLO, *sys.argv[2:]):
            ends = "ok firmware-ctl" if request is HELLO else ("ok", "err")
            port.write(request.encode("ascii") + b"\n")
            while not (line := port.readline().decode("ascii")).startswith(ends):
                if not line:
                    sys.exit("no answer; is the mat running, and is this its port?")
                if line.startswith("- ") and request is not HELLO:
                    print(line.rstrip())  # data; lines that begin with `* ` are events
            print(line.rstrip())
except serial.SerialException as error:
    sys.exit(f"no mat on {sys.argv[1]}; a mock prints its port ({error})")
