"""A visit with a client in Python, which holds each answer against its tool's schema: python visit.py mcp|fastmcp URL"""

import asyncio
import importlib
import json
import logging
import pathlib
import sys
import warnings

VISIT = json.loads((pathlib.Path(__file__).parent / "visit.json").read_text())


class Faults(logging.Handler):
    """What the client's library complains of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.told = []

    def emit(self, record):
        self.told.append(record.getMessage())


async def visit(library, url):
    options = {"raise_on_error": False} if library == "fastmcp" else {}
    seen = {"tools": 0, "calls": 0, "refused": [], "faults": []}
    async with importlib.import_module(library).Client(url) as client:
        tools = await client.list_tools()
        seen["tools"] = len(getattr(tools, "tools", tools))
        session = ""
        for name, given in VISIT:
            arguments = json.loads(json.dumps(given).replace("$SESSION", session))
            try:
                answer = await client.call_tool(name, arguments, **options)
            except Exception as error:
                seen["faults"].append(f"{name}: {error}")
                continue
            seen["calls"] += 1
            session = session or (answer.structured_content or {}).get("session", {}).get("session_id", "")
            if answer.is_error:
                seen["refused"].append(f"{name}: {answer.content[0].text}")
    return seen


def main():
    faults = Faults()
    logging.getLogger().addHandler(faults)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        seen = asyncio.run(visit(sys.argv[1], sys.argv[2]))
    seen["faults"] += faults.told + [str(warning.message) for warning in warned]
    print(json.dumps(seen))


main()
