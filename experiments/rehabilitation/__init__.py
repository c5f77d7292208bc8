"""Lesion, therapy and relearning: networks that lose units, practise, and meet a field."""
