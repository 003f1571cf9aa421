# SPDX-License-Identifier: BSD-2-Clause
# Draws bars below headings: with names, values, and what is to be said of each beside.

height = 200 + 36 * rows
load 'style.gp'
unset key
set xrange [0:1]
set yrange [rows + 0.2:-0.6]
unset ytics
unset xtics
set border 0
do for [i = 1:groups] {
	set label 100 + i heading[i] at screen 0.02, first real(word($heads[i], 1)) left font face.':Bold'
}
do for [i = 1:bars] {
	y = real(word($bars[i], 1))
	set label 200 + i bar_name[i] at screen names_end, first y right
	set label 300 + i bar_text[i] at screen 0.83, first y right
	set label 400 + i bar_note[i] at screen 0.965, first y right
}
set label 4 subtitle2 at screen 0.02, screen down(107) left textcolor rgb dark
set label 5 unit.' '.unit_note at screen 0.02, screen up(57) left textcolor rgb dark
set lmargin at screen names_end + 0.015
set rmargin at screen 0.72
set tmargin at screen down(135)
set bmargin at screen up(75)
set style fill solid border rgb '#000000'

do for [format in 'png svg'] {
	eval(terminal(format))
	set label 1 font title_font(format)
	set output name.'.'.format
	plot for [i = 1:bars] $bars every ::i - 1::i - 1 using (0):1:(0):2:($1 - 0.36):($1 + 0.36) with boxxyerror \
		fillstyle pattern hatch[(int(word($bars[i], 3)) - 1) % 8 + 1] border rgb '#000000' \
		linetype (int(word($bars[i], 3)) - 1) % 8 + 2 dashtype solid linewidth 0.6
	unset output
}
