#!/usr/bin/python3
"""The README's first script is the file it names, and is what the program says it is; its links lead somewhere."""
import os
import re
import subprocess
import unittest

SOURCE = os.environ.get("SB_SOURCE", ".")
BUILD = os.environ.get("SB_BUILD", os.path.join(SOURCE, "build"))


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return f.read()


class Readme(unittest.TestCase):
    def test_the_first_script_is_the_example(self):
        shown = re.search(r"```lua\n(.*?)```", read("README.md"), re.S).group(1)
        example = re.sub(r"\A--.*\n", "", read("examples/first.lua"))
        self.assertEqual(shown, example)

    def test_the_example_is_what_it_looks_like(self):
        program = os.path.join(BUILD, "signalbox")
        done = subprocess.run([program, "check", os.path.join(SOURCE, "examples/first.lua")], capture_output=True,
                              text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in ("socket front ROUTER", 'row 1: frame 1 equals "PING" -> reply "PONG"',
                     'row 2: frame 1 starts with "job." -> jobs', "socket jobs DEALER"):
            self.assertIn(line, done.stdout)

    def test_links_lead_somewhere(self):
        for page in ["README.md"] + ["docs/" + p for p in os.listdir(os.path.join(SOURCE, "docs"))]:
            for link in re.findall(r"\]\(([^)#:]+)\)", read(page)):
                self.assertTrue(os.path.exists(os.path.join(SOURCE, os.path.dirname(page), link)), f"{page}: {link}")


if __name__ == "__main__":
    unittest.main()
