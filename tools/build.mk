# SPDX-License-Identifier: BSD-2-Clause
# Builds the tools and the library they share.

include tools/lib/build.mk
