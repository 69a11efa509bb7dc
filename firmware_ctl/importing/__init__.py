"""Files of other programs become profiles: text to a curve, to keyframes, to YAML text.

`formats` has the table of formats (`funscript`, `ahap`, `haptic`), `json_values` reads their JSON
with the place of each mistake, `curve` is what every format becomes, `thinning` leaves out what the
motors cannot follow, and `profile_text` writes the profile. `conversion` does all of it. No module
opens a file or reads a clock, and none plays anything: a profile from here is checked as any other
one.
"""

__all__ = [
    "ahap",
    "conversion",
    "curve",
    "formats",
    "funscript",
    "haptic",
    "json_values",
    "profile_text",
    "thinning",
]
