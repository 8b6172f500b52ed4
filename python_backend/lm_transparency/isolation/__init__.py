"""What a foreign file makes expensive, done in a child process with limits: it can be stopped, whatever it is doing.

A task is a function of ours, named `package.module:function`, that takes and returns plain data (what JSON holds). The
child imports the standard library and what the task needs. One child waits for the next task; no two share one.
"""

from .limits import Limits
from .runner import run_isolated

__all__ = ["Limits", "run_isolated"]
