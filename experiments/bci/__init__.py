"""A brain-computer interface: perturbed decoders, savings, and the trace that learning leaves."""
