"""The circuit of one hidden layer as published (Renner et al. 2024, Figures 2, 4 and 5, and supplementary tables), as data."""

#: 102 arrows with the gating chain: kind, delay beyond the one step that every spike takes, source, targets.
ARROWS = """
plastic   0  x       -> h h_lt h_gt
plastic   0  h       -> o o_lt o_gt
plastic   0  o       -> d1
plastic   0  oT_neg  -> d1

copy      0  input   -> x                     # the packets: image, label, memories, errors
copy      0  target  -> t
copy      0  h       -> m_h
copy      1  m_h     -> h d1                  # phase 5
copy      5  m_h     -> h d1                  # phase 9
copy      4  x       -> m_x
copy      0  m_x     -> x                     # phase 7
copy      4  m_x     -> x                     # phase 11
copy      0  t       -> d2_pos
copy      0  o       -> d2_neg
copy      0  d2_pos  -> o o_lt o_gt           # phase 5
copy      4  d2_neg  -> o o_lt o_gt           # phase 9
copy      0  d2_neg  -> oT_neg                # phase 5
copy      4  d2_pos  -> oT_neg                # phase 9
copy      3  h_lt    -> b_h
copy      0  d1      -> h h_lt h_gt           # phases 7 and 11

inhibit   0  t       -> d2_neg
inhibit   0  o       -> d2_pos
inhibit   0  o_gt    -> d2_neg
inhibit   3  h_gt    -> b_h                   # b_h = h_lt AND NOT h_gt

gate_one  0  o_lt    -> d2_pos d2_neg         # the box function gates the error
gate_one  0  b_h     -> h h_lt h_gt           # the box function gates the hidden gradient, phase 7
gate_one  4  b_h     -> h h_lt h_gt           # phase 11

gate      0  g1      -> x
gate      0  g2      -> h h_lt
gate_high 0  g2      -> h_gt
lower     0  g2      -> h_lt
gate      0  g3      -> o o_lt t m_h
gate_high 0  g3      -> o_gt
lower     0  g3      -> o_lt
gate      0  g5      -> h d1 o o_lt o_gt oT_neg
gate      0  g6      -> d1 b_h m_x
lower     0  g6      -> d1
gate      0  g7      -> x
gate      0  g9      -> h d1 o o_lt o_gt oT_neg
gate      0  g10     -> d1
lower     0  g10     -> d1
gate      0  g11     -> x

silence   0  g0      -> o o_lt o_gt
silence   0  g4      -> d1 oT_neg
silence   0  g6      -> o o_lt o_gt
silence   0  g8      -> h h_lt h_gt
silence   0  g10     -> o o_lt o_gt
"""

#: Populations that may fire in each phase, besides the gating chain.
FIRING = {
    0: ("input",),
    1: ("x",),
    2: ("h", "h_lt", "h_gt", "target"),
    3: ("o", "o_lt", "o_gt", "t", "m_h"),
    4: ("d2_pos", "d2_neg"),
    5: ("h", "d1", "o", "o_lt", "o_gt", "oT_neg"),
    6: ("d1", "b_h", "m_x"),
    7: ("x", "h", "h_lt", "h_gt"),
    8: (),
    9: ("h", "d1", "o", "o_lt", "o_gt", "oT_neg"),
    10: ("d1",),
    11: ("x", "h", "h_lt", "h_gt"),
}
