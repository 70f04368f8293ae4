"""Recurrent layers: RNN, LSTM and GRU."""

__all__: list[str] = []
