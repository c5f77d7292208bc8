"""Neural activity: recordings as labelled arrays, and the analyses of them."""
