"""The files that people write: profiles and mat files, and where they are.

This package reads YAML text into frozen values, and reports every mistake of an author with its
line and column. It never knows time, and never touches a pin: `timeline` turns a profile into what
motors do.

`yaml_tree` reads nodes, and `yaml_syntax` explains why a text has none. `fields` and `quantities`
read typed values from nodes, and `slips` knows what a wrong word probably means. `mat` reads a mat
file, and `profile` reads a profile by the tables in `profile_fields`, `phase_items`, `patterns` and
`points`; `session_size` bounds it, and `shuffle` has the orders of one pattern. `notes` names what
is valid and probably not meant. `mat_edit` changes the text of a mat file, `schema` describes both
kinds of file to editors, and `paths` and `shipped` give the paths.
"""

__all__ = [
    "fields",
    "mat",
    "mat_edit",
    "notes",
    "paths",
    "patterns",
    "phase_items",
    "points",
    "profile",
    "profile_fields",
    "quantities",
    "schema",
    "session_size",
    "shipped",
    "shuffle",
    "slips",
    "yaml_syntax",
    "yaml_tree",
]
