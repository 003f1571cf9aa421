# SPDX-License-Identifier: BSD-2-Clause
# Draws the stages of an event as a stacked bar for each kernel.

height = 370 + 62 * kernels
load 'style.gp'
set xrange [0:most]
set yrange [kernels - 0.4:-0.6]
set ytics () scale 0
do for [i = 1:kernels] {
	set ytics add (kernel[i] i - 1)
	set label 10 + i total_text[i] at screen 0.965, first i - 1 right
}
set label 4 subtitle2 at screen 0.02, screen down(107) left textcolor rgb dark
set label 8 'whole event' at screen 0.965, screen down(160) right
set xlabel 'from VM exit to VM entry, '.unit.' '.unit_note
set grid xtics linetype 1 dashtype solid linecolor rgb '#d0d0d0' linewidth 0.5
set border 1
set lmargin at screen names_end - 0.01
set rmargin at screen 0.85
set tmargin at screen down(190)
set bmargin at screen up(150)
set key at screen 0.02, screen down(160) left center horizontal Left reverse samplen 2 width 1
set style fill solid border rgb '#000000'

do for [format in 'png svg'] {
	eval(terminal(format))
	set label 1 font title_font(format)
	set output name.'.'.format
	plot for [i = 1:stages] $stages index i - 1 using 2:1:2:3:($1 - 0.36):($1 + 0.36) with boxxyerror title stage[i] \
		fillstyle pattern hatch[i] border rgb '#000000' linetype i % 8 + 1 dashtype solid linewidth 0.6
	unset output
}
