"""Prompts in text that a user writes: their places, contents and settings. Pure functions that know no editor."""
