/* SPDX-License-Identifier: GPL-2.0-only */
/* What crosses between the program that reads and sets options of live sockets and user space. None
 * of it is kept anywhere: it may change as it likes.
 */
#ifndef BPF_SOCKET_OPTIONS_H
#define BPF_SOCKET_OPTIONS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define OPT_CONGESTION_NAME_SIZE 16
#define OPT_MOST_PASSED		 (1 << 16)

enum opt_name {
	OPT_NONE = 0,
	OPT_CONGESTION = 1,
	OPT_MAX_PACING_RATE = 2, /* bytes/s; ~0 is no limit */
	OPT_WINDOW_CLAMP = 3,	 /* bytes */
};

struct opt_values {
	__u64 cookie;
	__u64 max_pacing_rate;
	__u32 window_clamp;
	__u32 pad;
	char congestion[OPT_CONGESTION_NAME_SIZE];
};

struct opt_request {
	__u64 cookie; /* 0: the values of every socket are written to the reader */
	__u32 option; /* enum opt_name: set first, once */
	__u32 number;
	char name[OPT_CONGESTION_NAME_SIZE]; /* of a congestion control */
};

struct opt_answer {
	struct opt_values values; /* after it was set */
	__u32 found;
	__s32 error; /* of setting it: 0, or a negative errno */
};

#endif
