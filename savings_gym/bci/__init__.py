"""A brain-computer interface: decoders, their calibration and perturbation, and the cursor task."""
