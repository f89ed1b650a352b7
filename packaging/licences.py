"""Prints the names and the licences' texts of the libraries that are linked into the binary.

Reads what `cargo metadata` says on standard input, and which libraries count as the arguments, each
`NAME VERSION`. Each text is printed once, after the names of all that come with it.
"""

import json
import pathlib
import sys


def texts(package):
    """The licence files of one library, in the order of their names."""
    folder = pathlib.Path(package["manifest_path"]).parent
    wanted = ("license", "licence", "copying", "unlicense", "notice")
    found = sorted(file for file in folder.iterdir() if file.name.lower().startswith(wanted))
    return [file.read_text(errors="replace").strip() for file in found if file.is_file()]


def main():
    linked = set(sys.argv[1:])
    of_text = {}
    for package in json.load(sys.stdin)["packages"]:
        name = f"{package['name']} {package['version']}"
        if name in linked:
            own = texts(package) or [f"(it brings no text; its licence is {package['license']})"]
            for text in own:
                of_text.setdefault(text, []).append(f"{name} ({package['license']})")
    print("What is linked into the sockeye binary, and the terms of each part.")
    for text, names in sorted(of_text.items(), key=lambda item: sorted(item[1])):
        print("\n" + "=" * 78)
        print("\n".join(sorted(names)))
        print("-" * 78 + "\n" + text)
    print("\n" + "=" * 78)
    print("The GNU C Library (LGPL-2.1-or-later). Its text is in /usr/share/common-licenses/LGPL-2.1")
    print("on Debian; Sockeye's source, with which it can be linked anew, is open.")


main()
