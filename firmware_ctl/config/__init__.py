"""What people write: profiles and mat files, and the paths of both.

Reads YAML text into frozen values, and reports every mistake of an author with its place. Never
knows time, and never touches a pin: `timeline` turns a profile into what motors do.

`yaml_tree` reads nodes, `fields` reads typed values from nodes; `mat` and `profile` (with its
tables in `profile_fields`, `patterns` and `points`) are the two files; `mat_edit` changes a mat
file's text; `schema` describes both files to editors; `paths` and `shipped` say where files are.
"""

__all__ = [
    "fields",
    "mat",
    "mat_edit",
    "paths",
    "patterns",
    "points",
    "profile",
    "profile_fields",
    "schema",
    "shipped",
    "yaml_tree",
]
