"""Print the completions of an editor, from the language server of pyright: ``python -m tools.completions``.

It needs `basedpyright`, which no extra installs: ``pip install basedpyright``, or its folder as the argument.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

PROGRAM = """
import numpy as np
import tinygrad_edu as tg
from tinygrad_edu import nn

class Net(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(4, 2)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.layer(x)

loss = nn.cross_entropy(Net()(tg.zeros((1, 4))), np.array([0]))
loss."""
PROJECT = Path(__file__).parent.parent


def send(server: IO[bytes], method: str, params: Any, number: int | None = None) -> None:
    """Send a request, or without a number a notification."""
    content = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
    body = json.dumps(content).encode()
    server.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    server.flush()


def receive(server: IO[bytes], number: int) -> Any:
    """Return the result of the request of a number; ignore all other messages."""
    while True:
        length = 0
        while line := server.readline().strip():
            if line.startswith(b"Content-Length:"):
                length = int(line.partition(b":")[2])
        message = json.loads(server.read(length))
        if message.get("id") == number and "result" in message:
            return message["result"]


def completions(server: str, program: str) -> list[str]:
    """Return the names that a language server completes at the end of a program."""
    lines, uri = program.splitlines(), (PROJECT / "completed.py").as_uri()
    position = {"line": len(lines) - 1, "character": len(lines[-1])}
    folder = {"uri": PROJECT.as_uri(), "name": "project"}
    with subprocess.Popen([server, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        begin: dict[str, Any] = {"processId": None, "rootUri": PROJECT.as_uri(), "capabilities": {}}
        send(process.stdin, "initialize", begin | {"workspaceFolders": [folder]}, 1)
        receive(process.stdout, 1)
        send(process.stdin, "initialized", {})
        document = {"uri": uri, "languageId": "python", "version": 1, "text": program}
        send(process.stdin, "textDocument/didOpen", {"textDocument": document})
        send(process.stdin, "textDocument/completion", {"textDocument": {"uri": uri}, "position": position}, 2)
        found = receive(process.stdout, 2)
        process.terminate()
    return [item["label"] for item in found["items"]]


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(sys.executable).parent
    print(*completions(str(folder / "basedpyright-langserver"), PROGRAM))
