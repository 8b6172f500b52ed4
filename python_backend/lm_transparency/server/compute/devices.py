"""The devices of this machine, and the memory of each."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from ...protocol.models import Device


def cpu() -> Device:
    name = f"{platform.machine() or 'CPU'}, {os.cpu_count() or 1} cores"
    return Device("cpu", name, main_memory(), free_main_memory())


def accelerators() -> list[Device]:
    """Every CUDA device, and mps. Needs torch to be imported; without it, or with a broken driver, none."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return []
    found: list[Device] = []
    try:
        for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
            properties = torch.cuda.get_device_properties(i)
            # querying an unused GPU would take some hundred megabytes of its memory
            free = int(torch.cuda.mem_get_info(i)[0]) if torch.cuda.memory_reserved(i) else 0
            found.append(Device(f"cuda:{i}", str(properties.name), int(properties.total_memory), free))
        if torch.backends.mps.is_available():
            found.append(Device("mps", "Apple GPU", int(torch.mps.recommended_max_memory())))
    except (RuntimeError, AssertionError, AttributeError):
        return found
    return found


def main_memory() -> int:
    """Bytes of RAM; 0 where the system does not say."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def free_main_memory() -> int:
    """Bytes of RAM available without swapping; 0 where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return 0


if sys.platform == "win32":
    import ctypes

    class _MemoryStatus(ctypes.Structure):
        _fields_ = [
            ("dwLength", ctypes.c_ulong),
            ("dwMemoryLoad", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("ullTotalPhys", "ullAvailPhys", "ullTotalPageFile")),
            *((name, ctypes.c_ulonglong) for name in ("ullAvailPageFile", "ullTotalVirtual", "ullAvailVirtual")),
            ("ullAvailExtendedVirtual", ctypes.c_ulonglong),
        ]

    def _windows_memory() -> int:
        status = _MemoryStatus(dwLength=ctypes.sizeof(_MemoryStatus))
        told = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.ullTotalPhys) if told else 0
