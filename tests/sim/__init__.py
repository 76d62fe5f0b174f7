"""Stories of the simulator.

`python -m unittest discover tests` takes this folder for the package `sim` itself: then it is both.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
