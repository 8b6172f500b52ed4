"""Text that a person writes → prompts: where they stand, what they say, what is set for them. Pure; knows no editor."""
