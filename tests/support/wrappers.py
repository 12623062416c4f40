"""Critics with features, and moves of a game, for the tests of wrappers."""


def generators_move(game, data, step=0):
    *_, move = game.round(data, step)
    assert move.player == "G"
    return move
