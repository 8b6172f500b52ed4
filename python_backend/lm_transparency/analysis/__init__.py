"""The analysis of one prompt: making it, its result, its limits and its cost."""
