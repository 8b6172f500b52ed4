"""The language server: messages, handlers, one compute queue. Thin; the only room that knows JSON-RPC."""
