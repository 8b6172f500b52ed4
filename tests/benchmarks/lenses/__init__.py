"""Do lenses help? What each reads in the middle layers, on prompts with a hidden word and on held-out text."""
