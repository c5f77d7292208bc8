"""Pre-training: ``python -m experiments.pretrain``, see `experiments.savings.pretrain`."""

from experiments.savings.pretrain import command

if __name__ == "__main__":
    command()
