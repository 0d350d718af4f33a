"""The bundles that the demo runs, each trained anew by `python -m edge_export.shipped PLANT`."""
