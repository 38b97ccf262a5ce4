// SPDX-License-Identifier: GPL-2.0-only
/* RTT samples as they happen, counted beside the socket, and reading all sockets' counters in bulk.
 */
#include "bpf/common.bpf.h"
#include "bpf/rtt.bpf.h"
#include "bpf/sample.bpf.h"

/* How a pass behaves; user space writes these between passes. */
__u32 pass_number = 0;
bool sample_connections = true; /* else listeners alone */
bool sample_unchanged = false;	/* else only sockets that did something since their last sample */
bool want_all_histograms = false;
bool have_wants = false; /* the map below is not empty */

/* enum ev_want by socket cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} wants SEC(".maps");

/* Where no program may trace functions: a window that is smaller at the first sample after a pause,
 * which comes before it grows again, was cut by it.
 */
const volatile bool rtt_tells_restarts = false;

static __always_inline void note_window(struct conn_state *state, struct tcp_sock *tp)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)tp;
	__s32 pause = tp->lsndtime - state->sent_then;

	if (state->sent_then && pause > (__s32)icsk->icsk_rto &&
	    tp->snd_cwnd < state->window_then &&
	    !BPF_CORE_READ_BITFIELD(icsk, icsk_ca_state)) { /* nothing was lost */
		state->idle_restarts++;
		state->restart_cwnd_before = state->window_then;
		state->restart_cwnd_after = tp->snd_cwnd;
		state->restart_pause_ms = ticks_to_ms(pause);
	}
	state->window_then = tp->snd_cwnd;
	state->sent_then = tp->lsndtime;
}

static __always_inline void note_window_of(struct bpf_sock *sk)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (state && tp)
		note_window(state, tp);
}

/* Once per round trip of each connection that has the flag. Its first argument is the raw sample
 * since 6.10; before, the last sample is in the socket.
 */
SEC("sockops")
int on_rtt(struct bpf_sock_ops *ops)
{
	struct rtt_histogram *histogram;
	struct conn_state *state;
	struct bpf_sock *sk;
	struct tcp_sock *tp;
	__u32 us;

	switch (ops->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
		return 1;
	case BPF_SOCK_OPS_RTT_CB:
		break;
	default:
		return 1;
	}
	sk = ops->sk;
	if (!sk)
		return 1;
	if (rtt_tells_restarts)
		note_window_of(sk);
	us = ops->args[0];
	/* Most samples are of connections that have a histogram: one look-up for these. */
	histogram = bpf_sk_storage_get(&histograms, sk, 0, 0);
	if (histogram && us) {
		if (!histogram->deep)
			count_rtt(histogram, us);
		return 1;
	}
	state = bpf_sk_storage_get(&states, sk, 0, 0);
	if (!state || state->want & EV_WANT_DEEP)
		return 1;
	if (!us) {
		tp = bpf_skc_to_tcp_sock(sk);
		us = tp ? tp->rack.rtt_us : 0;
	}
	record_rtt(sk, state, us);
	return 1;
}

static __always_inline void send_rtt(struct tcp_sock *tp, const struct conn_state *state)
{
	struct ev_rtt *e = event_begin(EV_LOST_EVENTS, EV_RTT, sizeof(*e));

	if (!e)
		return;
	fill_conn(&e->conn, tp, state);
	e->rtt_us = tp->rack.rtt_us;
	e->srtt_us = tp->srtt_us >> 3;
	e->cwnd = tp->snd_cwnd;
	e->ssthresh = tp->snd_ssthresh;
	e->in_flight = tp->packets_out - (tp->sacked_out + tp->lost_out) + tp->retrans_out;
	e->snd_wnd = tp->snd_wnd;
	event_submit(e);
}

/* Deep mode: every segment that the chosen connections receive. */
SEC("tp_btf/tcp_probe")
int BPF_PROG(on_probe, struct sock *sk)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp;

	if (!state || !(state->want & EV_WANT_DEEP))
		return 0;
	tp = full_tcp_sock(sk);
	if (!tp || !tp->rack.rtt_us)
		return 0;
	record_rtt(sk, state, tp->rack.rtt_us);
	send_rtt(tp, state);
	return 0;
}

/* Where no sockops program can be attached: the kernel's last sample, at every segment received. */
SEC("tp_btf/tcp_probe")
int BPF_PROG(on_probe_all, struct sock *sk)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp;

	if (!state)
		return 0;
	tp = full_tcp_sock(sk);
	if (!tp || !tp->rack.rtt_us)
		return 0;
	record_rtt(sk, state, tp->rack.rtt_us);
	if (state->want & EV_WANT_DEEP)
		send_rtt(tp, state);
	return 0;
}

static __always_inline bool changed(struct tcp_sock *tp, struct conn_state *state)
{
	struct sock *sk = (struct sock *)tp;
	__u64 segments = (__u64)tp->segs_in << 32 | tp->segs_out;
	__u64 sequences = ((__u64)tp->write_seq << 32 | tp->copied_seq) + state->drops;

	if (sk->__sk_common.skc_state == TCP_LISTEN)
		segments = (__u64)sk->sk_drops.counter << 32 | sk->sk_ack_backlog;
	sequences ^= (__u64)state->owner << 62 ^ (__u64)sk->__sk_common.skc_state << 26;
	/* A sender that is held back sends nothing, and its time goes on. */
	if (segments == state->signature[0] && sequences == state->signature[1] &&
	    !BPF_CORE_READ_BITFIELD(tp, chrono_type))
		return false;
	state->signature[0] = segments;
	state->signature[1] = sequences;
	return true;
}

static __always_inline void follow_wants(struct conn_state *state, struct tcp_sock *tp)
{
	__u64 cookie = bpf_get_socket_cookie(tp);
	__u32 *want = bpf_map_lookup_elem(&wants, &cookie);
	__u8 now = want ? *want : 0;
	struct rtt_histogram *histogram;

	if ((now ^ state->want) & EV_WANT_DEEP) {
		histogram = bpf_sk_storage_get(&histograms, (struct sock *)tp, 0, 0);
		if (histogram)
			histogram->deep = !!(now & EV_WANT_DEEP);
	}
	state->want = now;
}

/* Visits only sockets that have our state, in all network namespaces, without the hash walk and the
 * socket locks of iter/tcp. A full ring ends this read() with EAGAIN: the reader drains and goes on
 * where it was, so a pass never pushes events out and loses no sample. "Where it was" is a number
 * of list entries, wrong when sockets closed meanwhile: the reader then goes through all of them
 * again, and each remembers the pass that met it.
 */
SEC("iter/bpf_sk_storage_map")
int sample_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct conn_state *state = ctx->value;
	struct sock *sk = ctx->sk;
	struct tcp_sock *tp;
	struct ev_sample *e;
	__u8 tcp_state;

	if (!sk || !state || state->pass == pass_number)
		return 0;
	tcp_state = sk->__sk_common.skc_state;
	if (tcp_state == TCP_CLOSE || tcp_state == TCP_SYN_RECV ||
	    (!sample_connections && tcp_state != TCP_LISTEN))
		return 0;
	tp = full_tcp_sock(sk);
	if (!tp || !wanted(tp, state))
		return 0;
	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > ring_size / 4)
		return 1;
	state->pass = pass_number;
	if (have_wants)
		follow_wants(state, tp);
	if (want_all_histograms || state->want & EV_WANT_HISTOGRAM) {
		__u32 samples = rtt_samples(sk, state);

		if (samples != state->rtt_samples_sent)
			send_histogram(sk, state, EV_LOST_HISTOGRAM);
		state->rtt_samples_sent = samples;
	}
	if (!changed(tp, state) && !sample_unchanged)
		return 0;
	e = event_begin(EV_LOST_SAMPLES, EV_SAMPLE, sizeof(*e));
	if (!e)
		return 0;
	fill_sample(e, tp, state, tcp_state);
	event_submit(e);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
