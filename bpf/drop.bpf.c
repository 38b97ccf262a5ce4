// SPDX-License-Identifier: GPL-2.0-only
/* Packets dropped, and connections reset. */
#include "bpf/common.bpf.h"

const volatile bool kfree_skb_has_socket = false;
const volatile bool send_reset_has_reason = false;

/* Reasons that never mean harm: only counted. Filled by user space, which knows the names. */
#define KNOWN_REASONS 256
const volatile __u8 reason_is_benign[KNOWN_REASONS] = {};
const volatile __u32 drop_events_per_second = 1000;

#define ETH_P_IP	0x0800
#define ETH_P_IPV6	0x86dd
#define NO_HEADER	0xffff
#define FRAGMENT_OFFSET 0x1fff

static __always_inline void read_tcp_header(struct ev_drop *e, const void *header, bool incoming)
{
	struct tcphdr tcp;
	__u16 source, dest;

	if (bpf_probe_read_kernel(&tcp, sizeof(tcp), header))
		return;
	source = bpf_ntohs(tcp.source);
	dest = bpf_ntohs(tcp.dest);
	e->conn.local_port = incoming ? dest : source;
	e->conn.remote_port = incoming ? source : dest;
	e->sequence = bpf_ntohl(tcp.seq);
	bpf_probe_read_kernel(&e->flags, 1, header + 13);
}

/* The addresses of a packet that no socket claims. Says whether it is TCP. */
static __always_inline bool read_headers(struct ev_conn *conn, const struct sk_buff *skb,
					 __u16 protocol, bool incoming, const void **transport)
{
	const void *network = skb->head + skb->network_header;

	if (skb->network_header == (__u16)NO_HEADER)
		return false;
	if (protocol == ETH_P_IP) {
		struct iphdr ip;
		__u8 length;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), network) || ip.protocol != IPPROTO_TCP ||
		    ip.frag_off & bpf_htons(FRAGMENT_OFFSET))
			return false;
		bpf_probe_read_kernel(&length, 1, network);
		*transport = network + (length & 0xf) * 4;
		put_ipv4(conn->local, incoming ? ip.daddr : ip.saddr);
		put_ipv4(conn->remote, incoming ? ip.saddr : ip.daddr);
		return true;
	}
	if (protocol == ETH_P_IPV6) {
		struct ipv6hdr ip;

		/* Extension headers are rare before TCP; such packets stay without ports. */
		if (bpf_probe_read_kernel(&ip, sizeof(ip), network) || ip.nexthdr != IPPROTO_TCP)
			return false;
		*transport = network + sizeof(ip);
		put_ipv6(conn->local, incoming ? &ip.daddr : &ip.saddr);
		put_ipv6(conn->remote, incoming ? &ip.saddr : &ip.daddr);
		return true;
	}
	return false;
}

static __always_inline __u32 netns_of(const struct sk_buff *skb, const struct sock *sk)
{
	struct net_device *device = skb->dev;

	if (sk)
		return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	return device ? BPF_CORE_READ(device, nd_net.net, ns.inum) : 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct ev_drop_key);
	__type(value, __u64);
} drop_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KNOWN_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} benign_counts SEC(".maps");

static __always_inline void count_drop(const struct ev_drop_key *key)
{
	__u64 *count = bpf_map_lookup_elem(&drop_counts, key);
	__u64 one = 1;

	if (!count) {
		if (!bpf_map_update_elem(&drop_counts, key, &one, BPF_NOEXIST))
			return;
		/* Full, or another processor was faster. */
		count = bpf_map_lookup_elem(&drop_counts, key);
	}
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		count_loss(EV_LOST_DROP_KEYS);
}

struct {
	__u64 second;
	__u32 left;
} drop_budget;

static __always_inline bool within_rate(void)
{
	__u64 second = bpf_ktime_get_ns() / 1000000000;

	if (drop_budget.second != second) {
		drop_budget.second = second;
		drop_budget.left = drop_events_per_second;
	}
	if (!drop_budget.left) {
		count_loss(EV_LOST_RATE);
		return false;
	}
	drop_budget.left--;
	return true;
}

static __always_inline void fill_from_sock(struct ev_conn *conn, const struct sock *sk,
					   const struct conn_state *state)
{
	conn->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	conn->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	fill_owner(conn, state);
	if (conn->local_port)
		return;
	/* Our own packet, dropped before it got its headers. */
	conn->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	conn->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		struct in6_addr local = BPF_CORE_READ(sk, __sk_common.skc_v6_rcv_saddr);
		struct in6_addr remote = BPF_CORE_READ(sk, __sk_common.skc_v6_daddr);

		put_ipv6(conn->local, &local);
		put_ipv6(conn->remote, &remote);
	} else {
		put_ipv4(conn->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		put_ipv4(conn->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	}
}

/* What ties a dropped packet to a connection: the receiving socket, the packet's own, its headers.
 */
static __always_inline void send_drop(struct sk_buff *skb, const struct ev_drop_key *key,
				      const struct sock *sk, const struct conn_state *state)
{
	bool incoming = skb->skb_iif != 0;
	const void *transport = NULL;
	struct ev_drop *e;

	e = event_begin(EV_LOST_EVENTS, EV_DROP, sizeof(*e));
	if (!e)
		return;
	__builtin_memset(&e->conn, 0, sizeof(*e) - offsetof(struct ev_drop, conn));
	e->conn.netns = key->netns;
	if (read_headers(&e->conn, skb, key->protocol, incoming, &transport))
		read_tcp_header(e, transport, incoming);
	if (sk && state)
		fill_from_sock(&e->conn, sk, state);
	if (!e->conn.local_port || !matches(&e->conn)) {
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return;
	}
	e->location = key->location;
	e->reason = key->reason;
	e->length = skb->len;
	e->protocol = key->protocol;
	e->incoming = incoming;
	event_submit(e);
}

#define FLAG_RST 0x04
#define FLAG_ACK 0x10

/* The kernel counts at a listener also the resets of connections that are gone, or never came to
 * be; of the requests that it had no room for none comes here.
 */
static __always_inline void excuse_listener(struct sock *receiver, const struct sk_buff *skb)
{
	struct conn_state *state;
	__u8 flags = 0;

	if (BPF_CORE_READ(receiver, __sk_common.skc_state) != TCP_LISTEN ||
	    skb->transport_header == (__u16)NO_HEADER ||
	    bpf_probe_read_kernel(&flags, 1, skb->head + skb->transport_header + 13) ||
	    (flags & (FLAG_RST | FLAG_ACK)) != FLAG_RST)
		return;
	state = bpf_sk_storage_get(&states, receiver, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (state)
		__sync_fetch_and_add(&state->no_requests, 1);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_drop, struct sk_buff *skb, void *location, __u32 reason)
{
	struct sock *receiver = kfree_skb_has_socket ? (struct sock *)ctx[3] : NULL;
	struct sock *owner = skb->sk;
	struct conn_state *state = NULL;
	struct ev_drop_key key = {};

	if (reason <= last_good_skb_reason())
		return 0;
	if (receiver)
		excuse_listener(receiver, skb);
	if (reason < KNOWN_REASONS && reason_is_benign[reason]) {
		__u64 *count = bpf_map_lookup_elem(&benign_counts, &reason);

		if (count)
			(*count)++;
		return 0;
	}
	key.location = (__u64)location;
	key.reason = reason;
	key.netns = netns_of(skb, receiver ?: owner);
	key.protocol = bpf_ntohs(skb->protocol);
	count_drop(&key);
	if (receiver)
		state = bpf_sk_storage_get(&states, receiver, 0, 0);
	else if (owner)
		state = bpf_sk_storage_get(&states, owner, 0, 0);
	if (state)
		state->drops++;
	if (send_events && within_rate())
		send_drop(skb, &key, receiver ?: owner, state);
	return 0;
}

static __always_inline void send_reset_event(struct tcp_sock *tp, const struct conn_state *state,
					     const struct sk_buff *skb, __u32 reason, bool sent)
{
	const void *transport = NULL;
	struct ev_reset *e;

	if (!send_events || (tp && !wanted(tp, state)))
		return;
	e = event_begin(EV_LOST_EVENTS, EV_RESET, sizeof(*e));
	if (!e)
		return;
	__builtin_memset(&e->conn, 0, sizeof(*e) - offsetof(struct ev_reset, conn));
	if (tp) {
		fill_conn(&e->conn, tp, state);
	} else if (skb) {
		struct tcphdr tcp;

		e->conn.netns = netns_of(skb, NULL);
		if (read_headers(&e->conn, skb, bpf_ntohs(skb->protocol), true, &transport) &&
		    !bpf_probe_read_kernel(&tcp, sizeof(tcp), transport)) {
			e->conn.local_port = bpf_ntohs(tcp.dest);
			e->conn.remote_port = bpf_ntohs(tcp.source);
		}
	}
	e->reason = reason;
	e->sent = sent;
	event_submit(e);
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_send_reset, struct sock *sk, struct sk_buff *skb)
{
	__u32 reason = send_reset_has_reason ? (__u32)ctx[2] : EV_NO_REASON;
	struct conn_state *state = NULL;
	struct tcp_sock *tp = NULL;

	if (sk) {
		tp = full_tcp_sock(sk);
		state = bpf_sk_storage_get(&states, sk, 0, 0);
		if (state)
			state->end |= EV_END_RESET_SENT;
	}
	send_reset_event(tp, state, skb, reason, true);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(on_receive_reset, struct sock *sk)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);

	if (state)
		state->end |= EV_END_RESET_RECEIVED;
	send_reset_event(full_tcp_sock(sk), state, NULL, EV_NO_REASON, false);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
