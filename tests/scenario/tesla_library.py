"""Shared by the scenarios that use the Python library tesla-fleet-api, which tests/tesla_client.sh installs."""
import json
import os
import shutil
import subprocess
import tempfile

from fr import SOURCE, skip


class Library:
    """The Python with the library, and a folder that it can read."""

    def __init__(self):
        done = subprocess.run([f"{SOURCE}/tests/tesla_client.sh"], stdout=subprocess.PIPE, text=True)
        if done.returncode == 77:
            skip("no Python 3.13 with venv here, and no root with debootstrap")
        done.check_returncode()
        *self.command, self.root = done.stdout.split()
        self.folder = tempfile.mkdtemp(prefix="fr-scenario.", dir=os.path.join(self.root, "tmp"))
        self.inside = os.path.join("/", os.path.relpath(self.folder, self.root))
        shutil.copy(f"{SOURCE}/tests/tesla_client.py", self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def run(self, what, text, **environment):
        """The JSON that a command of tests/tesla_client.py prints."""
        done = subprocess.run([*self.command, f"{self.inside}/tesla_client.py", what], input=text, text=True,
                              stdout=subprocess.PIPE, env={**os.environ, **environment}, check=True)
        return json.loads(done.stdout)
