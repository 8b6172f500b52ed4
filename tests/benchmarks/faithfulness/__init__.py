"""How well cheap scores of units agree with what removing the units does: `make faithfulness`."""
