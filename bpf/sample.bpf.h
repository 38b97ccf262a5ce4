/* SPDX-License-Identifier: GPL-2.0-only */
/* Filling an ev_sample, for the program that samples live sockets and the one that sees them close.
 */
#ifndef BPF_SAMPLE_BPF_H
#define BPF_SAMPLE_BPF_H

#include "bpf/common.bpf.h"
#include "bpf/rtt.bpf.h"

#define SOCK_DONE_FLAG 1 /* enum sock_flags: the peer's FIN has arrived */
#define CHRONO_BUSY    1 /* enum tcp_chrono */
#define CHRONO_LAST    3
#define SNDBUF_LOCKED  1 /* sk_userlocks */
#define RCVBUF_LOCKED  2
#define ECN_OK	       1
#define ECN_SEEN       8

/* write_seq counts our FIN once it is queued; the peer has it when everything is acknowledged. */
static __always_inline __u8 fin_flags(const struct tcp_sock *tp, __u8 tcp_state)
{
	struct sock *sk = (struct sock *)tp;
	__u8 flags = 0;

	switch (tcp_state) {
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		flags |= EV_END_FIN_SENT;
		if (tp->snd_una == tp->write_seq)
			flags |= EV_END_FIN_ACKED;
	}
	if (sk->__sk_common.skc_flags & (1UL << SOCK_DONE_FLAG))
		flags |= EV_END_FIN_RECEIVED;
	return flags;
}

/* The kernel's byte counters include the SYN of a connecting socket, and FINs. */
static __always_inline void fill_bytes(struct ev_sample *s, const struct tcp_sock *tp, __u8 fin,
				       __u8 direction)
{
	__u64 tx = tp->bytes_acked;
	__u64 rx = tp->bytes_received;

	if (tx && direction == EV_OUT)
		tx--;
	if (tx && (fin & EV_END_FIN_ACKED))
		tx--;
	if (rx && (fin & EV_END_FIN_RECEIVED))
		rx--;
	s->tx_bytes = tx;
	s->rx_bytes = rx;
}

static __always_inline void fill_chrono(struct ev_sample *s, struct tcp_sock *tp, __u32 now)
{
	__u32 type = BPF_CORE_READ_BITFIELD(tp, chrono_type);
	__u32 running = now - tp->chrono_start;
	__u32 busy = tp->chrono_stat[0], rwnd = tp->chrono_stat[1], sndbuf = tp->chrono_stat[2];

	if (type == CHRONO_BUSY)
		busy += running;
	else if (type == CHRONO_BUSY + 1)
		rwnd += running;
	else if (type == CHRONO_LAST)
		sndbuf += running;
	s->busy_ms = ticks_to_ms(busy);
	s->rwnd_limited_ms = ticks_to_ms(rwnd);
	s->sndbuf_limited_ms = ticks_to_ms(sndbuf);
}

static __always_inline void fill_ages(struct ev_sample *s, struct tcp_sock *tp, __u32 now)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)tp;

	s->last_sent_ms = ticks_to_ms(now - tp->lsndtime);
	s->last_received_ms = ticks_to_ms(now - icsk->icsk_ack.lrcvtime);
	s->last_ack_ms = ticks_to_ms(now - tp->rcv_tstamp);
}

static __always_inline __u16 option_flags(struct tcp_sock *tp)
{
	struct sock *sk = (struct sock *)tp;
	__u16 flags = 0;
	__u8 locks;

	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.tstamp_ok))
		flags |= EV_OPT_TIMESTAMPS;
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.sack_ok))
		flags |= EV_OPT_SACK;
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.wscale_ok))
		flags |= EV_OPT_WINDOW_SCALE;
	if (tp->ecn_flags & ECN_OK)
		flags |= EV_OPT_ECN;
	if (tp->ecn_flags & ECN_SEEN)
		flags |= EV_OPT_ECN_SEEN;
	if (BPF_CORE_READ_BITFIELD(tp, syn_data_acked))
		flags |= EV_OPT_FASTOPEN;
	if (BPF_CORE_READ_BITFIELD(tp, rate_app_limited))
		flags |= EV_OPT_APP_LIMITED;
	if (BPF_CORE_READ_BITFIELD(tp, is_cwnd_limited))
		flags |= EV_OPT_CWND_LIMITED;
	locks = BPF_CORE_READ_BITFIELD(sk, sk_userlocks); /* four bits in 6.1 */
	if (locks & SNDBUF_LOCKED)
		flags |= EV_OPT_SNDBUF_LOCKED;
	if (locks & RCVBUF_LOCKED)
		flags |= EV_OPT_RCVBUF_LOCKED;
	return flags;
}

/* A socket counts every retransmission, so one that passed us by shows. Before 6.18 the kernel does
 * not tell of those that the device refused: there, that many are unknown and not a loss of ours.
 */
static __always_inline void count_unseen(const struct tcp_sock *tp, struct conn_state *state)
{
	__s32 unseen = tp->total_retrans - state->retransmits_unknown - state->retransmits_rto -
		       state->retransmits_fast - state->retransmits_tlp - state->retransmits_syn;

	if (unseen <= 0) /* a listener counts no SYN-ACKs */
		return;
	state->retransmits_unknown += unseen;
	if (retransmit_skb_has_error)
		__sync_fetch_and_add(&lost[EV_LOST_RETRANSMITS], unseen);
}

static __always_inline void fill_loss(struct ev_sample *s, const struct tcp_sock *tp,
				      struct conn_state *state)
{
	count_unseen(tp, state);
	s->retransmitted_bytes = tp->bytes_retrans;
	s->retransmitted = tp->total_retrans;
	s->dsack_dups = tp->dsack_dups;
	s->delivered = tp->delivered;
	s->delivered_ce = tp->delivered_ce;
	s->lost = tp->lost;
	s->reord_seen = tp->reord_seen;
	s->rcv_ooopack = tp->rcv_ooopack;
	s->retransmits_unknown = state->retransmits_unknown;
	s->retransmits_rto = state->retransmits_rto;
	s->retransmits_fast = state->retransmits_fast;
	s->retransmits_tlp = state->retransmits_tlp;
	s->retransmits_syn = state->retransmits_syn;
	s->undos = state->undos;
	s->recoveries = state->recoveries;
	s->losses = state->losses;
	s->drops = state->drops;
}

static __always_inline void fill_restarts(struct ev_sample *s, const struct conn_state *state)
{
	s->idle_restarts = state->idle_restarts;
	s->restart_cwnd_before = state->restart_cwnd_before;
	s->restart_cwnd_after = state->restart_cwnd_after;
	s->restart_pause_ms = state->restart_pause_ms;
}

static __always_inline void fill_rtt(struct ev_sample *s, const struct tcp_sock *tp,
				     const struct conn_state *state)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)tp;

	s->srtt_us = tp->srtt_us >> 3;
	s->rttvar_us = tp->mdev_us >> 2;
	s->min_rtt_us = tp->rtt_min.s[0].v;
	s->rto_us = (__u64)icsk->icsk_rto * 1000000 / ticks_per_second;
	s->rcv_rtt_us = tp->rcv_rtt_est.rtt_us >> 3;
	s->rtt_samples = rtt_samples((struct sock *)tp, state);
	__builtin_memcpy(s->first_rtts, state->first_rtts, sizeof(s->first_rtts));
}

static __always_inline void fill_windows(struct ev_sample *s, struct tcp_sock *tp)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)tp;

	s->cwnd = tp->snd_cwnd;
	s->ssthresh = tp->snd_ssthresh;
	s->in_flight = tp->packets_out - (tp->sacked_out + tp->lost_out) + tp->retrans_out;
	s->mss = tp->mss_cache;
	s->rcv_mss = icsk->icsk_ack.rcv_mss;
	s->advmss = tp->advmss;
	s->reordering = tp->reordering;
	s->snd_wnd = tp->snd_wnd;
	s->rcv_wnd = tp->rcv_wnd;
	s->snd_wscale = BPF_CORE_READ_BITFIELD(tp, rx_opt.snd_wscale);
	s->rcv_wscale = BPF_CORE_READ_BITFIELD(tp, rx_opt.rcv_wscale);
	s->delivery_segs = tp->rate_delivered;
	s->delivery_us = tp->rate_interval_us;
}

static __always_inline void fill_queues(struct ev_sample *s, const struct tcp_sock *tp,
					const struct conn_state *state, bool listener)
{
	const struct sock *sk = (const struct sock *)tp;

	s->sk_drops = sk->sk_drops.counter - (listener ? state->no_requests : 0);
	s->sndbuf = sk->sk_sndbuf;
	s->rcvbuf = sk->sk_rcvbuf;
	s->wmem_queued = sk->sk_wmem_queued;
	s->rmem_alloc = sk->sk_backlog.rmem_alloc.counter;
	s->pacing_rate = sk->sk_pacing_rate;
	s->backlog = listener ? sk->sk_max_ack_backlog : 0;
	if (listener) {
		s->send_queue = 0;
		s->not_sent = 0;
		s->receive_queue = sk->sk_ack_backlog;
		return;
	}
	s->send_queue = tp->write_seq - tp->snd_una;
	s->not_sent = tp->write_seq - tp->snd_nxt;
	s->receive_queue = tp->rcv_nxt - tp->copied_seq;
	/* The peer's FIN takes a sequence number that nobody reads. */
	if (s->receive_queue && (sk->__sk_common.skc_flags & (1UL << SOCK_DONE_FLAG)))
		s->receive_queue--;
}

/* tcp_state: the state to describe, at close the one before. */
static __always_inline void fill_sample(struct ev_sample *s, struct tcp_sock *tp,
					struct conn_state *state, __u8 tcp_state)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)tp;
	const struct tcp_congestion_ops *ca = icsk->icsk_ca_ops;
	__u32 now = bpf_jiffies64();
	__u8 fin = fin_flags(tp, tcp_state);

	fill_conn(&s->conn, tp, state);
	s->established_ns = state->established_ns;
	fill_bytes(s, tp, fin, state->direction);
	s->segs_out = tp->segs_out;
	s->segs_in = tp->segs_in;
	s->data_segs_out = tp->data_segs_out;
	s->data_segs_in = tp->data_segs_in;
	fill_loss(s, tp, state);
	fill_restarts(s, state);
	fill_rtt(s, tp, state);
	fill_windows(s, tp);
	fill_queues(s, tp, state, tcp_state == TCP_LISTEN);
	fill_chrono(s, tp, now);
	fill_ages(s, tp, now);
	s->options = option_flags(tp);
	s->ca_state = BPF_CORE_READ_BITFIELD(icsk, icsk_ca_state);
	s->backoff = icsk->icsk_backoff;
	s->probes = icsk->icsk_probes_out;
	s->old_state = tcp_state;
	s->error = ((struct sock *)tp)->sk_err;
	/* An ICMP error that met a request whose process held the socket. Later on such errors are
	 * no end.
	 */
	if (!s->error && tcp_state == TCP_SYN_SENT)
		s->error = ((struct sock *)tp)->sk_err_soft;
	s->end = fin | state->end;
	s->pad = 0;
	s->pad2 = 0;
	if (!ca || bpf_probe_read_kernel(s->congestion, sizeof(s->congestion), ca->name))
		__builtin_memset(s->congestion, 0, sizeof(s->congestion));
}

#endif
