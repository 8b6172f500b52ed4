"""Work on foreign files that may be expensive, in a child process with limits: it can be stopped at any time.

A task is one of our functions, named `package.module:function`, that takes and returns plain data (what JSON holds).
The child imports the standard library and what the task needs. One child waits for the next task; it is never shared.
"""

from .limits import Limits
from .runner import run_isolated

__all__ = ["Limits", "run_isolated"]
