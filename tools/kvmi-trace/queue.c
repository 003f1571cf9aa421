// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace break: events that came while a step was under way, kept for the main loop. */
#include "break.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int put_off(struct tracer *t, const struct kvmi_event_msg *ev, bool first)
{
	if (t->n_put_off == t->room) {
		unsigned int room = t->room ? 2 * t->room : 16;
		void *p = realloc(t->put_off, room * sizeof(*ev));

		if (!p)
			return -ENOMEM;
		t->put_off = p;
		t->room = room;
	}
	if (first) {
		memmove(&t->put_off[1], &t->put_off[0], t->n_put_off * sizeof(*ev));
		t->put_off[0] = *ev;
	} else {
		t->put_off[t->n_put_off] = *ev;
	}
	t->n_put_off++;
	return 0;
}

bool take_put_off(struct tracer *t, struct kvmi_event_msg *ev)
{
	if (!t->n_put_off)
		return false;
	*ev = t->put_off[0];
	t->n_put_off--;
	memmove(&t->put_off[0], &t->put_off[1], t->n_put_off * sizeof(*ev));
	return true;
}
