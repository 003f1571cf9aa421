# SPDX-License-Identifier: BSD-2-Clause
# Draws what a hit costs each vCPU, and how many hits all of them get done, over how many there are.

height = 800
load 'style.gp'
set xrange [0.5:8.5]
set xlabel 'vCPUs that hit at the same time'
set grid xtics ytics linetype 1 dashtype solid linecolor rgb '#d0d0d0' linewidth 0.5
set border 3
set tmargin at screen down(190)
set bmargin at screen up(200)

do for [format in 'png svg'] {
	eval(terminal(format))
	set output name.'.'.format
	set multiplot
	set label 1 title at screen 0.02, screen down(31) left font title_font(format)
	set label 2 subtitle at screen 0.02, screen down(69) left textcolor rgb dark
	set label 3 footnote at screen 0.02, screen up(23) left textcolor rgb dark
	set label 4 subtitle2 at screen 0.02, screen down(107) left textcolor rgb dark
	set label 5 'from hit to hit, '.unit.' (x: p99)' at graph 0, screen down(160) left
	set key at screen 0.5, screen up(80) center center horizontal maxrows 1 samplen 3
	set lmargin at screen 0.1
	set rmargin at screen 0.48
	set yrange [0:most * 1.08]
	eval('set ytics ('.ticks.')')
	plot for [i = 1:curves] '$curve' index i - 1 using 1:2 with linespoints linetype i pointsize symbol(format) title label[i], \
		for [i = 1:curves] '$curve' index i - 1 using 1:3 with points pointtype 2 linecolor rgb colour[(i - 1) % 8 + 1] \
			pointsize symbol(format) notitle
	do for [i = 1:4] { unset label i }
	unset key
	set lmargin at screen 0.6
	set rmargin at screen 0.98
	set yrange [0:most_rate * 1.08]
	eval('set ytics ('.ticks_rate.')')
	set label 5 'hits of all, per '.per at graph 0, screen down(160) left
	plot for [i = 1:curves] '$curve' index i - 1 using 1:4 with linespoints linetype i pointsize symbol(format) title label[i]
	unset multiplot
	unset output
}
