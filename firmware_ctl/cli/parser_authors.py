"""The arguments of the commands for authors of profiles, and the functions that run them."""

from argparse import ArgumentParser, Namespace

from firmware_ctl.cli.arguments import Run, add_client, add_json, add_mat, trim_pct
from firmware_ctl.cli.arguments import add_profiles as add_folder


def _add_verbose(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="print all figures as well, zone by zone, and what they mean",
    )


def add_check(parser: ArgumentParser) -> Run:
    parser.add_argument(
        "paths",
        metavar="PROFILE",
        nargs="*",
        help="names, files or folders (default: this folder if it has profiles, else all profiles "
        "that a daemon serves)",
    )
    add_mat(parser)
    add_json(parser)
    _add_verbose(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.check(args)

    return run


def add_profiles(parser: ArgumentParser) -> Run:
    parser.add_argument(
        "profile",
        metavar="PROFILE",
        nargs="?",
        help="a name or a file: show its description, points, phases and warnings",
    )
    add_mat(parser)
    add_folder(parser)
    add_json(parser)
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import profile_list

        return profile_list.profiles(args)

    return run


def add_explain(parser: ArgumentParser) -> Run:
    parser.add_argument(
        "profile", metavar="PROFILE", help="a name, which a daemon explains if one runs, or a file"
    )
    add_mat(parser)
    add_folder(parser)
    add_json(parser)
    add_client(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import explanation

        return explanation.explain(args)

    return run


def add_simulate(parser: ArgumentParser) -> Run:
    parser.add_argument("profile", metavar="PROFILE", nargs="?", help="a name or a file")
    parser.add_argument(
        "--replay", metavar="FILE", help="replay a recorded incident instead of a profile"
    )
    parser.add_argument(
        "--trim",
        metavar="PCT",
        type=trim_pct,
        default=100,
        help="scale every level, 10 to 100 percent",
    )
    parser.add_argument("--trace", metavar="FILE", help="export motor changes: .vcd .csv .jsonl")
    parser.add_argument("--plot", metavar="FILE", help="draw the session: .svg .png")
    add_mat(parser)
    add_json(parser)
    _add_verbose(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import simulation

        return simulation.simulate(args)

    return run


def add_new(parser: ArgumentParser) -> Run:
    parser.add_argument("name", metavar="NAME", help="a-z, 0-9 and '-'; the file is NAME.yaml")
    add_mat(parser)
    parser.add_argument("--profiles", metavar="DIR", help="folder to write to (default: here)")
    parser.add_argument(
        "--example", action="store_true", help="write a profile that has every form once"
    )

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.new(args)

    return run


def add_import(parser: ArgumentParser) -> Run:
    parser.add_argument("file", metavar="FILE", help="a funscript, AHAP or .haptic file")
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="a-z, 0-9 and '-'; the file is NAME.yaml (default: from the name of FILE)",
    )
    parser.add_argument(
        "--target",
        default="all",
        metavar="TARGET",
        help="a zone, a row or a side, as in a profile (default: all)",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="the file to write (default: NAME.yaml here); -: print it"
    )
    add_mat(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import import_command

        return import_command.run(args)

    return run


def add_edit(parser: ArgumentParser) -> Run:
    parser.description = (
        "watch a profile, and after each save show its picture, or its mistakes by line; it opens "
        "no editor: keep yours open beside it, and end this by Ctrl-C"
    )
    parser.add_argument("profile", metavar="PROFILE", help="a name or a file")
    add_mat(parser)

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import edit

        return edit.edit(args)

    return run


def add_schema(parser: ArgumentParser) -> Run:
    parser.add_argument("kind", choices=("profile", "mat"))

    def run(args: Namespace) -> int:
        from firmware_ctl.cli import authoring

        return authoring.schema(args)

    return run
