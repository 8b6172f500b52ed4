"""Pure maths on a trace: contributions of every part to its whole, and the graph of routes they make."""
