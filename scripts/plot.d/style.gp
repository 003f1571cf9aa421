# SPDX-License-Identifier: BSD-2-Clause
# What all graphs share: sizes (but for the height), fonts, and colours that stay apart for the colour-blind. In grey, dashes, symbols
# and hatching tell things apart.

width = 1200
face = 'DejaVu Sans'
dark = '#444444'
array colour[8] = ['#000000', '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#777777']
array hatch[8] = [3, 4, 1, 6, 2, 5, 7, 0]
do for [i = 1:8] {
	set linetype i linecolor rgb colour[i] pointtype 4 + i
}
set linetype 1 dashtype solid
set linetype 2 dashtype (7, 3)
set linetype 3 dashtype (2, 2)
set linetype 4 dashtype (10, 3, 2, 3)
set linetype 5 dashtype (5, 2, 1, 2, 1, 2)
set linetype 6 dashtype (12, 5)
set linetype 7 dashtype (4, 4)
set linetype 8 dashtype (1, 3)
set linetype cycle 8

terminal(format) = format eq 'png' ? \
	sprintf("set terminal pngcairo noenhanced size %d,%d font '%s,17' linewidth 2.5 dashlength 2.5", width, height, face) : \
	sprintf("set terminal svg noenhanced size %d,%d font '%s,21' linewidth 2.5 dashlength 2.5 background '#ffffff'", width, height, face)
title_font(format) = format eq 'png' ? face.',20' : face.',25'
# one size of symbol is twice as large in an SVG
symbol(format) = format eq 'png' ? 1.2 : 0.6

# in pixels
up(y) = real(y) / height
down(y) = 1 - up(y)

set label 1 title at screen 0.02, screen down(31) left
set label 2 subtitle at screen 0.02, screen down(69) left textcolor rgb dark
set label 3 footnote at screen 0.02, screen up(23) left textcolor rgb dark
set tics nomirror out
