"""`wiring` and `setup` in a real terminal: a small mat, and a person's answers."""

import termios
from pathlib import Path

from tests.support.process import PATIENCE_S, Terminal

QUICK = """\
name: Quick mat   # calibrated in seconds
pwm_hz: 200
supply: {max_ma: 500}
limits: {session: 15min, daily: 30min, duty: 80%, rise: 50%/s}
button: {pressed: 5, released: 6}
zones:
  lower_back:
    motors:
      - {name: only, side: left, pin: 22, start: 4%, hold: 3%, cap: 72%, run_ma: 100, start_ma: 150}  # the one
"""
ABSENT = """\
  {0}:
    present: false
    motors:
      - {{name: {0}, side: left, pin: {1}, start: 40%, hold: 30%, cap: 72%, run_ma: 100, start_ma: 150}}
"""
GATED = QUICK + ABSENT.format("neck", 17) + ABSENT.format("hips", 12)
GATED += "gate: {heartbeat: 26, rail: 8}\n"


def open_terminal(terminals: list[Terminal], home: Path, *words: str) -> Terminal:
    terminals.append(Terminal(home, *words))
    return terminals[-1]


def exit_code(terminal: Terminal) -> int:
    code = terminal.process.wait(PATIENCE_S)
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert b"Traceback" not in terminal.shown
    return code


def answer_calibration(terminal: Terminal) -> None:
    """Calibrates one motor, with answers at the right moments."""
    terminal.see("space: begin")
    terminal.type(" ")
    for words, key in (("(turns)   power rises", "t"), ("(still)   power falls", "o")) * 2:
        terminal.see(words)
        terminal.type(key)


def see_and_type(terminal: Terminal, *pairs: tuple[str, str]) -> None:
    for words, keys in pairs:
        terminal.see(words)
        terminal.type(keys)
