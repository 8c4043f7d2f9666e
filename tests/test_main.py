import subprocess
import sys

import howfar


def test_launchers_start_it_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "howfar", "--version"], capture_output=True, text=True, check=True
    )
    assert howfar.__version__ in done.stdout
