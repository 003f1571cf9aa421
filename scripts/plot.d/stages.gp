# SPDX-License-Identifier: BSD-2-Clause
# Draws the stages of an event: one stacked bar of all, and below it each stage where it lies, with value and share.

height = 760
load 'style.gp'
unset key
set xrange [0:total]
set yrange [-stages - 0.1:1.6]
set ytics ('whole event' 0.7) scale 0
do for [i = 1:stages] {
	set ytics add (stage[i] 0.5 - i)
	set label 10 + i mean_text[i] at screen 0.845, first 0.5 - i right
	set label 20 + i share_text[i] at screen 0.965, first 0.5 - i right
}
set label 4 subtitle2 at screen 0.02, screen down(107) left textcolor rgb '#444444'
set label 8 'mean' at screen 0.845, first 1.45 right
set label 9 'share' at screen 0.965, first 1.45 right
set label 10 total_text at screen 0.845, first 0.7 right
set label 20 '100.0 %' at screen 0.965, first 0.7 right
set xlabel 'from VM exit to VM entry, '.unit.' '.unit_note
set grid xtics linetype 1 dashtype solid linecolor rgb '#d0d0d0' linewidth 0.5
set border 1
set lmargin at screen 0.145
set rmargin at screen 0.73
set tmargin at screen 0.81
set bmargin at screen 0.2
set style fill solid border rgb '#000000'

do for [format in 'png svg'] {
	eval(terminal(format))
	set label 1 font title_font(format)
	set output name.'.'.format
	plot for [i = 1:stages] $stages every ::i - 1::i - 1 using (0):(0.7):1:2:(0.3):(1.1) with boxxyerror \
			fillstyle pattern hatch[i] border rgb '#000000' linetype i % 8 + 1 dashtype solid linewidth 0.6, \
		for [i = 1:stages] $stages every ::i - 1::i - 1 using (0):(0):1:2:(0.2 - i):(0.8 - i) with boxxyerror \
			fillstyle pattern hatch[i] border rgb '#000000' linetype i % 8 + 1 dashtype solid linewidth 0.6
	unset output
}
