"""The field's protocols on networks: gradual learning, interference, recovery, retention, generalisation."""
