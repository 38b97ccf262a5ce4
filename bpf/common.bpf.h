/* SPDX-License-Identifier: GPL-2.0-only */
/* What every program shares: the maps, the settings, beginning an event, saying whose it is. */
#ifndef BPF_COMMON_BPF_H
#define BPF_COMMON_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/compat.bpf.h"
#include "bpf/events.h"

#define AF_INET	 2
#define AF_INET6 10

/* Kept beside the socket by the kernel and freed with it. A socket that is accepted starts with a
 * copy of its listener's, so it knows from its first packet who listens.
 */
struct conn_state {
	__u64 start_ns;
	__u64 established_ns;
	__u64 cgroup;
	__u64 signature[2]; /* of the last sample sent */
	__u32 pid;
	__u8 owner;	/* enum ev_owner */
	__u8 direction; /* enum ev_direction */
	__u8 end;	/* enum ev_end_flags, what hooks saw of it */
	__u8 want;	/* enum ev_want */
	char comm[EV_COMM_SIZE];
	__u32 retransmits_unknown;
	__u32 retransmits_rto;
	__u32 retransmits_fast;
	__u32 retransmits_tlp;
	__u32 retransmits_syn;
	__u32 undos;
	__u32 recoveries;
	__u32 losses;
	__u32 drops;
	__u32 idle_restarts;
	__u32 restart_cwnd_before;
	__u32 restart_cwnd_after;
	__u32 restart_pause_ms;
	__u32 window_then; /* at the newest sample of the RTT, and when we had sent before it */
	__u32 sent_then;
	__u32 no_requests; /* of a listener: resets that it counts as dropped */
	__u32 rtt_samples;
	__u32 rtt_samples_sent;
	__u32 first_rtts[EV_FIRST_RTTS];
	__u32 pass;		 /* the last one that met the socket */
	__u32 files_look;	 /* the last one that found it among the open files */
	__u32 total_retransmits; /* the kernel's count at the last one that we saw */
	__u8 accepted;		 /* EV_ACCEPT was sent */
	__u8 pad[3];
};

struct states_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct conn_state);
};
extern struct states_map states SEC(".maps");

/* Only connections with more RTT samples than fit into conn_state have one. */
struct rtt_histogram {
	__u32 samples;
	__u32 deep; /* counted at every ACK instead of once per round trip */
	__u32 buckets[EV_RTT_BUCKETS];
};

struct histograms_map {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rtt_histogram);
};
extern struct histograms_map histograms SEC(".maps");

struct events_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20); /* user space sets it */
};
extern struct events_map events SEC(".maps");

/* Set by user space before loading; the verifier then removes the branches not taken. */
extern const volatile bool filtering;
extern const volatile struct ev_filter filter;
extern const volatile __u32 ring_size;
extern const volatile bool send_open;	/* connect, established, accept, listen */
extern const volatile bool send_events; /* retransmit, congestion state, drop, reset */

extern __u64 lost[EV_LOSSES];

static __always_inline void count_loss(enum ev_loss cause)
{
	__sync_fetch_and_add(&lost[cause], 1);
}

/* Waking the reader costs more than the event (4-10 us against 0.2), so it drains on its own timer
 * and is woken only when another eighth of the ring has filled. Should two CPUs meet there and both
 * miss it, the next eighth or the timer makes up for it.
 */
static __always_inline void event_submit(void *event)
{
	const struct ev_header *header = event;
	__u64 waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	bool hurry = (waiting ^ (waiting - header->size)) & (ring_size / 8);

	bpf_ringbuf_submit(event, hurry ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* Reserves an event and fills its header, or counts the loss: callers only return. Under a flood
 * samples give way at half of the ring, other events at three quarters, lifecycle records at its
 * end.
 */
static __always_inline void *event_begin(enum ev_loss on_loss, __u16 kind, __u32 size)
{
	struct ev_header *header;

	if (on_loss != EV_LOST_RECORDS) {
		__u64 limit = on_loss == EV_LOST_SAMPLES ? ring_size / 2 : ring_size / 4 * 3;

		if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > limit) {
			count_loss(on_loss);
			return NULL;
		}
	}
	header = bpf_ringbuf_reserve(&events, size, 0);
	if (!header) {
		count_loss(on_loss);
		return NULL;
	}
	header->time_ns = bpf_ktime_get_ns();
	header->kind = kind;
	header->size = size;
	header->cpu = bpf_get_smp_processor_id();
	return header;
}

extern const volatile __u32 ticks_per_second; /* CONFIG_HZ */

static __always_inline __u32 ticks_to_ms(__u32 ticks)
{
	return (__u64)ticks * 1000 / ticks_per_second;
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP;
}

static __always_inline void set_owner(struct conn_state *state, enum ev_owner owner)
{
	struct task_struct *task = bpf_get_current_task_btf();

	state->owner = owner;
	state->pid = task->tgid;
	state->cgroup = bpf_get_current_cgroup_id();
	/* The process's name, not that of the thread. */
	bpf_probe_read_kernel(state->comm, sizeof(state->comm), task->group_leader->comm);
}

static __always_inline void put_ipv4(__u8 out[16], __be32 address)
{
	__u32 *word = (__u32 *)out;

	word[0] = 0;
	word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = address;
}

static __always_inline void put_ipv6(__u8 out[16], const struct in6_addr *address)
{
	__u64 *to = (__u64 *)out;
	const __u32 *from = address->in6_u.u6_addr32;

	to[0] = from[0] | (__u64)from[1] << 32;
	to[1] = from[2] | (__u64)from[3] << 32;
}

static __always_inline void fill_addresses(struct ev_conn *conn, const struct sock_common *c)
{
	if (c->skc_family == AF_INET6) {
		put_ipv6(conn->local, &c->skc_v6_rcv_saddr);
		put_ipv6(conn->remote, &c->skc_v6_daddr);
	} else {
		put_ipv4(conn->local, c->skc_rcv_saddr);
		put_ipv4(conn->remote, c->skc_daddr);
	}
}

/* state may be NULL: then nothing is known about when it began and whose it is. */
static __always_inline void fill_owner(struct ev_conn *conn, const struct conn_state *state)
{
	if (!state) {
		conn->start_ns = 0;
		conn->cgroup = 0;
		conn->pid = 0;
		conn->owner = EV_OWNER_UNKNOWN;
		conn->direction = EV_DIRECTION_UNKNOWN;
		conn->deep = 0;
		__builtin_memset(conn->comm, 0, sizeof(conn->comm));
		return;
	}
	conn->start_ns = state->start_ns;
	conn->cgroup = state->cgroup;
	conn->pid = state->pid;
	conn->owner = state->owner;
	conn->direction = state->direction;
	conn->deep = !!(state->want & EV_WANT_DEEP);
	__builtin_memcpy(conn->comm, state->comm, sizeof(conn->comm));
}

static __always_inline void fill_conn(struct ev_conn *conn, struct tcp_sock *tp,
				      const struct conn_state *state)
{
	struct sock *sk = (struct sock *)tp;
	const struct sock_common *c = &sk->__sk_common;

	conn->cookie = bpf_get_socket_cookie(sk);
	fill_addresses(conn, c);
	/* skc_num is 0 again in the last event of an automatically bound socket. */
	conn->local_port = bpf_ntohs(((struct inet_sock *)tp)->inet_sport);
	conn->remote_port = bpf_ntohs(c->skc_dport);
	conn->netns = c->skc_net.net->ns.inum;
	conn->uid = sk->sk_uid.val;
	conn->state = c->skc_state;
	conn->pad = 0;
	fill_owner(conn, state);
}

static __always_inline bool address_matches(const __u8 address[16], const volatile __u8 value[16],
					    const volatile __u8 mask[16])
{
	const __u64 *a = (const __u64 *)address;
	const volatile __u64 *v = (const volatile __u64 *)value;
	const volatile __u64 *m = (const volatile __u64 *)mask;

	return (a[0] & m[0]) == v[0] && (a[1] & m[1]) == v[1];
}

/* Decides what user space asked the kernel to decide; user space applies the whole filter again. */
static __always_inline bool matches(const struct ev_conn *conn)
{
	if (!filtering)
		return true;
	if (filter.port && filter.port != conn->local_port && filter.port != conn->remote_port)
		return false;
	if (filter.local_port && filter.local_port != conn->local_port)
		return false;
	if (filter.remote_port && filter.remote_port != conn->remote_port)
		return false;
	if (filter.netns && filter.netns != conn->netns)
		return false;
	if (filter.pid && filter.pid != conn->pid)
		return false;
	if (filter.cgroup && filter.cgroup != conn->cgroup)
		return false;
	return address_matches(conn->local, filter.local, filter.local_mask) &&
	       address_matches(conn->remote, filter.remote, filter.remote_mask);
}

static __always_inline bool wanted(struct tcp_sock *tp, const struct conn_state *state)
{
	struct ev_conn conn;

	if (!filtering)
		return true;
	fill_conn(&conn, tp, state);
	return matches(&conn);
}

/* A typed pointer to a full TCP socket, or NULL for anything else (request and time-wait sockets).
 */
static __always_inline struct tcp_sock *full_tcp_sock(const struct sock *sk)
{
	return sk ? bpf_skc_to_tcp_sock((void *)sk) : NULL;
}

#endif
