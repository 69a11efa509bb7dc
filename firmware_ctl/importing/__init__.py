"""Files of other programs become profiles: text to a curve, to keyframes, to YAML text.

`formats` has the table of formats, `json_values` reads their JSON with the place of each mistake,
`curve` is what every format becomes, `thinning` leaves out what the motors cannot follow, and
`profile_text` writes the profile. `conversion` does all of it. No module opens a file or reads a
clock, and none plays anything: a profile from here is checked as any other one.
"""

from firmware_ctl.importing.conversion import Imported, import_file
from firmware_ctl.importing.json_values import BYTES_MAX, ForeignFileError

__all__ = ["BYTES_MAX", "ForeignFileError", "Imported", "import_file"]
