"""firmware-ctl: the controller of a vibrating acupressure mat and its neck pillow."""

__version__ = "0.2.0"
PROTOCOL = 1
