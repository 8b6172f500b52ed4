"""Prompt documents in an editor: a language server's knowledge of them. Standard LSP, and two requests of our own."""
