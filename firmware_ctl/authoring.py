"""`check`, `profiles`, `new` and `schema`: for those who write profiles. No daemon, no pins."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Final

from firmware_ctl import places
from firmware_ctl.catalogue import Entry, read_entry
from firmware_ctl.errors import DeviceError
from firmware_ctl.folder import profile_files, read_catalogue, read_file
from firmware_ctl.mat import Mat
from firmware_ctl.serve import load_mat
