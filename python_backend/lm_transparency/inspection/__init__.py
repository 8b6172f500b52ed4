"""Questions about an analysis: a node, an edge, a head, a feed-forward block, a neuron, the lens over all layers.

The command line, the server and Python callers ask these same functions. Indices are checked here, and vectors become
tokens with their texts.
"""
