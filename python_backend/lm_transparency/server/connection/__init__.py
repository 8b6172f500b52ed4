"""One connection: frames, requests and their answers, progress."""
