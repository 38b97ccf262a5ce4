// SPDX-License-Identifier: GPL-2.0-only
/* Options of live connections, read and set under the lock of the socket, which iter/tcp holds. An
 * object of its own: only whoever changes connections loads it.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/socket_options.h"

#define SOL_SOCKET	   1
#define SO_MAX_PACING_RATE 47
#define SOL_TCP		   6
#define TCP_WINDOW_CLAMP   10
#define TCP_CONGESTION	   13

struct opt_request request = {};
struct opt_answer answer = {};
/* Since user space has set it to 0; the cookies of the first. */
__u64 passed_count = 0;
__u64 passed[OPT_MOST_PASSED] = {};

static __always_inline void read_values(struct opt_values *values, struct tcp_sock *tp,
					__u64 cookie)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)tp;
	const struct tcp_congestion_ops *ca = icsk->icsk_ca_ops;

	values->cookie = cookie;
	/* getsockopt() of 32 bits would not tell a rate above them from no limit. */
	values->max_pacing_rate = ((struct sock *)tp)->sk_max_pacing_rate;
	values->window_clamp = tp->window_clamp;
	values->pad = 0;
	if (!ca || bpf_probe_read_kernel(values->congestion, sizeof(values->congestion), ca->name))
		__builtin_memset(values->congestion, 0, sizeof(values->congestion));
}

static __always_inline int set_option(struct tcp_sock *tp)
{
	char name[OPT_CONGESTION_NAME_SIZE];
	__u32 number = request.number;

	switch (request.option) {
	case OPT_CONGESTION:
		__builtin_memcpy(name, request.name, sizeof(name));
		return bpf_setsockopt(tp, SOL_TCP, TCP_CONGESTION, name, sizeof(name));
	case OPT_MAX_PACING_RATE:
		return bpf_setsockopt(tp, SOL_SOCKET, SO_MAX_PACING_RATE, &number, sizeof(number));
	case OPT_WINDOW_CLAMP:
		return bpf_setsockopt(tp, SOL_TCP, TCP_WINDOW_CLAMP, &number, sizeof(number));
	default:
		return 0;
	}
}

static __always_inline void pass(__u64 cookie)
{
	__u64 place = passed_count;

	if (place < OPT_MOST_PASSED)
		passed[place] = cookie;
	passed_count = place + 1;
}

/* At the socket that is wanted this read() ends with EAGAIN, and the next one meets it again:
 * whoever reads, sets and reads it again walks once.
 */
SEC("iter/tcp")
int visit_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct opt_values values;
	struct tcp_sock *tp;
	__u64 cookie;

	if (!common || common->skc_state == TCP_LISTEN || common->skc_state == TCP_CLOSE)
		return 0;
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp) /* a request, or waiting in TIME_WAIT */
		return 0;
	cookie = bpf_get_socket_cookie(tp);
	if (!request.cookie) {
		read_values(&values, tp, cookie);
		bpf_seq_write(ctx->meta->seq, &values, sizeof(values));
		return 0;
	}
	if (cookie != request.cookie) {
		pass(cookie);
		return 0;
	}
	if (request.option) {
		answer.error = set_option(tp);
		request.option = OPT_NONE;
	}
	read_values(&answer.values, tp, cookie);
	answer.found = true;
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
