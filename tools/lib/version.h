/* SPDX-License-Identifier: BSD-2-Clause */
/* The version that all programs print, and kvmi-lat writes into run files. */
#ifndef KVMI_LAT_VERSION_H
#define KVMI_LAT_VERSION_H

#define KVMI_LAT_VERSION "0.1.0"

#endif
