// SPDX-License-Identifier: GPL-2.0-only
/* Retransmissions and the congestion state that follows. */
#include "bpf/common.bpf.h"

const volatile bool retransmit_skb_has_error = false;

#define TCP_LOSS_PROBE 5 /* icsk_pending: ICSK_TIME_LOSS_PROBE */

static __always_inline __u8 retransmit_kind(struct tcp_sock *tp)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)tp;
	__u8 tcp_state = ((struct sock *)tp)->__sk_common.skc_state;
	__u8 ca_state = BPF_CORE_READ_BITFIELD(icsk, icsk_ca_state);

	if (tcp_state == TCP_SYN_SENT || tcp_state == TCP_SYN_RECV)
		return EV_RETRANSMIT_SYN;
	if (ca_state == TCP_CA_Recovery)
		return EV_RETRANSMIT_FAST;
	if (ca_state == TCP_CA_Loss)
		return EV_RETRANSMIT_RTO;
	if (icsk->icsk_pending == TCP_LOSS_PROBE)
		return EV_RETRANSMIT_TLP;
	return EV_RETRANSMIT_RTO;
}

static __always_inline void count_retransmit(struct conn_state *state, __u8 kind, __u32 segments)
{
	switch (kind) {
	case EV_RETRANSMIT_RTO:
		state->retransmits_rto += segments;
		break;
	case EV_RETRANSMIT_FAST:
		state->retransmits_fast += segments;
		break;
	case EV_RETRANSMIT_TLP:
		state->retransmits_tlp += segments;
		break;
	case EV_RETRANSMIT_SYN:
		state->retransmits_syn += segments;
	}
}

/* One call may cover many segments. The kernel counts a segment as retransmitted even when the
 * device refused it, so failures count here too and carry their errno.
 */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, struct sock *sk, struct sk_buff *skb)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp = full_tcp_sock(sk);
	struct tcp_skb_cb *cb = (struct tcp_skb_cb *)skb->cb;
	struct ev_retransmit *e;
	__u32 segments;
	__u8 kind;

	if (!tp)
		return 0;
	kind = retransmit_kind(tp);
	segments = BPF_CORE_READ(cb, tcp_gso_segs) ?: 1;
	if (state) {
		/* Given up before it was tried (still queued below, for one): not counted by the
		 * kernel either.
		 */
		if (retransmit_skb_has_error && (int)ctx[2] &&
		    state->total_retransmits == tp->total_retrans)
			return 0;
		state->total_retransmits = tp->total_retrans;
		count_retransmit(state, kind, segments);
	}
	if (!send_events || !wanted(tp, state))
		return 0;
	e = event_begin(EV_LOST_EVENTS, EV_RETRANSMIT, sizeof(*e));
	if (!e)
		return 0;
	fill_conn(&e->conn, tp, state);
	e->segments = segments;
	e->bytes = skb->len;
	e->sequence = BPF_CORE_READ(cb, seq);
	e->error = retransmit_skb_has_error ? -(int)ctx[2] : 0;
	e->kind = kind;
	e->ca_state = BPF_CORE_READ_BITFIELD((struct inet_connection_sock *)tp, icsk_ca_state);
	event_submit(e);
	return 0;
}

static __always_inline void fill_request(struct ev_conn *conn, struct tcp_sock *listener,
					 const struct request_sock *request,
					 const struct conn_state *state)
{
	const struct sock_common *c = &request->__req_common;

	fill_conn(conn, listener, state);
	/* The request's, which the connection will inherit. */
	conn->cookie = bpf_get_socket_cookie((void *)&request->__req_common);
	fill_addresses(conn, c);
	conn->remote_port = bpf_ntohs(c->skc_dport);
	conn->local_port = c->skc_num;
	conn->start_ns = 0;
	conn->direction = EV_IN;
	conn->state = TCP_NEW_SYN_RECV;
	if (state && state->owner)
		conn->owner = EV_OWNER_LISTENER;
}

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(on_retransmit_synack, struct sock *sk, struct request_sock *request)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp = full_tcp_sock(sk);
	struct ev_retransmit *e;

	if (!tp)
		return 0;
	if (state)
		state->retransmits_syn++;
	if (!send_events || !wanted(tp, state))
		return 0;
	e = event_begin(EV_LOST_EVENTS, EV_RETRANSMIT, sizeof(*e));
	if (!e)
		return 0;
	fill_request(&e->conn, tp, request, state);
	e->segments = 1;
	e->bytes = 0;
	e->sequence = 0;
	e->error = 0;
	e->kind = EV_RETRANSMIT_SYNACK;
	e->ca_state = 0;
	event_submit(e);
	return 0;
}

/* A recovery that ends with its undo marker cleared was needless: the kernel restored the window.
 */
SEC("tp_btf/tcp_cong_state_set")
int BPF_PROG(on_congestion_state, struct sock *sk, __u8 new_state)
{
	struct tcp_sock *tp = full_tcp_sock(sk);
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)tp;
	struct ev_congestion_state *e;
	struct conn_state *state;
	bool undone;
	__u8 old_state;

	if (!tp)
		return 0;
	old_state = BPF_CORE_READ_BITFIELD(icsk, icsk_ca_state);
	if (old_state == new_state || (old_state < TCP_CA_Recovery && new_state < TCP_CA_Recovery))
		return 0;
	undone = old_state >= TCP_CA_Recovery && new_state < TCP_CA_Recovery && !tp->undo_marker;
	state = bpf_sk_storage_get(&states, sk, 0, 0);
	if (state) {
		state->recoveries += new_state == TCP_CA_Recovery;
		state->losses += new_state == TCP_CA_Loss;
		state->undos += undone;
	}
	if (!send_events || !wanted(tp, state))
		return 0;
	e = event_begin(EV_LOST_EVENTS, EV_CONGESTION_STATE, sizeof(*e));
	if (!e)
		return 0;
	fill_conn(&e->conn, tp, state);
	e->cwnd = tp->snd_cwnd;
	e->ssthresh = tp->snd_ssthresh;
	e->old_state = old_state;
	e->new_state = new_state;
	e->undone = undone;
	__builtin_memset(e->pad, 0, sizeof(e->pad));
	e->rtt_us = tp->rack.rtt_us;
	e->srtt_us = tp->srtt_us >> 3;
	e->rttvar_us = tp->mdev_us >> 2;
	e->min_rtt_us = tp->rtt_min.s[0].v;
	event_submit(e);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

/* A window that grew is cut when sending goes on after a pause longer than the RTO; by the next
 * pass it has grown again.
 */
SEC("fentry/tcp_cwnd_restart")
int BPF_PROG(on_idle_restart, struct sock *sk, __s32 pause)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp = full_tcp_sock(sk);

	if (!state || !tp)
		return 0;
	state->restart_cwnd_before = tp->snd_cwnd;
	return 0;
}

SEC("fexit/tcp_cwnd_restart")
int BPF_PROG(on_idle_restarted, struct sock *sk, __s32 pause)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp = full_tcp_sock(sk);

	if (!state || !tp || tp->snd_cwnd >= state->restart_cwnd_before)
		return 0;
	state->idle_restarts++;
	state->restart_cwnd_after = tp->snd_cwnd;
	state->restart_pause_ms = ticks_to_ms(pause);
	return 0;
}
