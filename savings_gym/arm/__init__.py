"""The arm: constants, compiled model, muscles and tendons in closed form, simulation."""
