"""The web console, a process of its own on the same database: NiceGUI's pages behind an ASGI gate.

NiceGUI is imported by this package and by nothing else, so that the other processes neither need nor load it. At its
import it reads where it would keep files; these lines come first, so that it looks into no folder and no Redis.
"""

import os

os.environ.pop("NICEGUI_REDIS_URL", None)
os.environ["NICEGUI_STORAGE_PATH"] = os.devnull
