"""Recurrent PPO in sessions: can rewards teach an agent to adapt, and to save, in its activity?"""
