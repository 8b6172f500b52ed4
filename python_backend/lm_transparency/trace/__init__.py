"""One forward pass, recorded: residual states, queries, keys and values; and the proof that the parts sum to the whole."""
