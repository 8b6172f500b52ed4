"""A drawing as shapes, and its two files: SVG and PDF. One drawing makes both, so that they look the same."""
