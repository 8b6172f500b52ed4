"""Prompt documents in an editor: what a language server knows of them. Standard LSP, and two requests of our own."""
