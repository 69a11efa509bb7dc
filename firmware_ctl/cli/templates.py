"""The profiles that `new` writes: a short one to start from, and one that has every form."""

from typing import Final

from firmware_ctl.config.mat import Mat

SCHEMA_FILE: Final = "profile.schema.json"

_FIRST_LINE: Final = f"# yaml-language-server: $schema=./{SCHEMA_FILE}\n"

SHORT: Final = f"""\
{_FIRST_LINE}title: A profile of my own
about: What it is like, in a sentence or two.
phases:
  - name: warm up
    for: 1min
    play:
      all: {{pattern: wave, level: 25%, period: 6s}}
  - name: main part
    for: 2min
    repeat: 2
    play:
      all: {{pattern: alternate, level: 40%, period: 4s}}
  - name: cool down
    for: 1min
    play:
      all: {{pattern: steady, level: {{from: 25%, to: 0%}}}}
"""


def example(mat: Mat) -> str:
    """A profile for this mat that has every form once, with a comment at each."""
    first, second = _two_targets(mat)
    return f"""\
{_FIRST_LINE}title: Every form once
about: An example to take apart. Keep what you need, and remove the rest.
phases:
  - name: slower and stronger
    for: 1min
    play:                                 # both the level and the period change
      all: {{pattern: wave, level: {{from: 15%, to: 25%}}, period: {{from: 4s, to: 8s}}}}
  - rest: 5s                              # nothing plays; then the motors start softly again
  - repeat: 2                             # a group: the whole list plays twice
    phases:
      - name: first part
        for: 10s
        play: {{{first}: {{pattern: breathe, level: 25%, in: 4s, out: 4s, rest: 2s}}}}
      - name: second part
        for: 10s
        play:
          {second}:
            pattern: keyframes            # straight lines between [time, level]
            frames: [[0s, 0%], [4s, 25%], [10s, 0%]]
      - repeat: 3                         # a group in a group, which is as deep as they go
        phases:
          - name: one motor after another
            for: 8s
            play:                         # another seed gives other orders
              all: {{pattern: shuffle, level: 25%, period: 8s, on_for: 700ms, seed: 1}}
          - rest: 2s
  - name: a hand on the belly             # a cue: two short gaps say start, three say done
    for: 20s
    cue: "Put a hand on the belly"
    play: {{all: 20%}}
  - name: cool down
    for: 30s
    play: {{all: {{pattern: steady, level: {{from: 20%, to: 0%}}}}}}
"""


def _two_targets(mat: Mat) -> tuple[str, str]:
    """Two parts of a zone: rows if a zone has two, or else sides, or else the zone itself."""
    zones = [zone for zone in mat.zones if zone.present]
    rows = [[f"{zone.name}.{m.row}" for m in zone.motors if m.row] for zone in zones]
    sides = [[f"{zone.name}.{m.side}" for m in zone.motors] for zone in zones]
    for names in (*rows, *sides):
        first, *others = dict.fromkeys(names) or [""]
        if others:
            return first, others[0]
    return zones[0].name, zones[0].name
