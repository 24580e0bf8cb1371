"""Runs the python blocks of a page in order, and compares what they print with the text blocks behind them."""

import contextlib
import difflib
import io
import re
import sys

page, shown, uri = sys.argv[1:]
with open(page, encoding="utf-8") as file:
    text = file.read()
blocks = re.findall(r"^```(python|text)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
assert blocks, f"{page} has no blocks"
names = {"__name__": "__main__"}
printed = ""
for number, (kind, block) in enumerate(blocks, 1):
    if kind == "text":
        same = printed.rstrip() == block.rstrip()
        difference = difflib.unified_diff(block.splitlines(), printed.splitlines(), "the page", "printed", lineterm="")
        assert same, f"block {number} of {page}:\n" + "\n".join(difference)
        printed = ""
        continue
    assert not printed, f"what is printed before block {number} of {page} is not shown there:\n{printed}"
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(block.replace(shown, uri), f"{page}, block {number}", "exec"), names)
    printed = output.getvalue()
assert not printed, f"what the last block of {page} prints is not shown there:\n{printed}"
