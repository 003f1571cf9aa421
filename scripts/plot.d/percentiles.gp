# SPDX-License-Identifier: BSD-2-Clause
# Draws guest hit-to-hit over the percentile, on the axis of HdrHistogram's plots: every step is a tenth of what is left.

height = 730 + 34 * curves
load 'style.gp'
set logscale x 10
set logscale y 10
set xtics ('0 %%' 1, '50 %%' 2, '90 %%' 10, '99 %%' 100, '99.9 %%' 1000, '99.99 %%' 10000, '99.999 %%' 100000, '99.9999 %%' 1000000)
set xlabel 'percentile of all hits; the last point is the maximum of all'
set ylabel 'hit to hit, '.unit.(unit_note eq '' ? '' : "\n".unit_note)
set border 3
set grid linetype 1 dashtype solid linecolor rgb '#d0d0d0' linewidth 0.5
set lmargin at screen 0.15
set rmargin at screen 0.96
set tmargin at screen down(144)
set bmargin at screen up(175 + 34 * curves)
set label 4 subtitle2 at screen 0.02, screen down(107) left textcolor rgb dark
set key at screen 0.02, screen up(65 + 34 * curves) left top Left reverse vertical samplen 5

do for [format in 'png svg'] {
	eval(terminal(format))
	set label 1 font title_font(format)
	set ylabel offset (format eq 'png' ? -0.3 : 0.7), 0
	set key spacing (format eq 'png' ? 1.25 : 1.1)
	set output name.'.'.format
	plot for [i = 1:curves] $curve index i - 1 using 1:2 with lines linetype i notitle, \
		for [i = 1:curves] $curve index i - 1 using 1:3 with points linetype i pointsize symbol(format) notitle, \
		for [i = 1:curves] 1 / 0 with linespoints linetype i pointsize symbol(format) title label[i]
	unset output
}
