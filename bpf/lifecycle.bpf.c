// SPDX-License-Identifier: GPL-2.0-only
/* The life of a connection: connect, listen, established, accept, close, and whose it is. Also the
 * sockets that are older than we are.
 */
#include "bpf/common.bpf.h"
#include "bpf/rtt.bpf.h"
#include "bpf/sample.bpf.h"

static __always_inline struct conn_state *new_state(struct sock *sk)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!state)
		count_loss(EV_LOST_STATE);
	return state;
}

static __always_inline void reset_state(struct conn_state *state, enum ev_direction direction)
{
	__builtin_memset(state, 0, sizeof(*state));
	state->direction = direction;
	state->start_ns = bpf_ktime_get_ns();
}

/* What a listener's copy holds of the listener alone must go; its owner stays as the first guess.
 */
static __always_inline void inherit_state(struct conn_state *state)
{
	__builtin_memset(&state->start_ns, 0, offsetof(struct conn_state, cgroup));
	__builtin_memset(state->signature, 0, sizeof(state->signature));
	__builtin_memset(&state->retransmits_unknown, 0,
			 sizeof(*state) - offsetof(struct conn_state, retransmits_unknown));
	state->end = 0;
	state->want = 0;
	state->direction = EV_IN;
	state->start_ns = bpf_ktime_get_ns();
	if (state->owner)
		state->owner = EV_OWNER_LISTENER;
}

static __always_inline void send_opened(struct tcp_sock *tp, const struct conn_state *state,
					__u16 kind, __u8 tcp_state)
{
	struct ev_open *e;

	if (!send_open || !wanted(tp, state))
		return;
	e = event_begin(EV_LOST_RECORDS, kind, sizeof(*e));
	if (!e)
		return;
	fill_conn(&e->conn, tp, state);
	e->conn.state = tcp_state;
	event_submit(e);
}

/* In process context: connect() or listen(). */
static __always_inline void opened(struct sock *sk, struct tcp_sock *tp, __u8 tcp_state)
{
	bool listener = tcp_state == TCP_LISTEN;
	struct conn_state *state = new_state(sk);

	if (!state)
		return;
	if (state->rtt_samples > EV_FIRST_RTTS) /* in an earlier connection of this socket */
		bpf_sk_storage_delete(&histograms, sk);
	reset_state(state, listener ? EV_LISTENER : EV_OUT);
	set_owner(state, EV_OWNER_EXACT);
	send_opened(tp, state, listener ? EV_LISTEN : EV_CONNECT, tcp_state);
}

/* In softirq, most often: whoever is running now has nothing to do with it. */
static __always_inline void established(struct sock *sk, struct tcp_sock *tp, __u8 old_state)
{
	struct conn_state *state = new_state(sk);

	if (!state)
		return;
	if (old_state == TCP_SYN_RECV && state->direction != EV_OUT) {
		if (state->direction != EV_IN)
			inherit_state(state);
		/* The request's SYN-ACK retransmissions become the connection's. */
		state->retransmits_syn = tp->total_retrans;
		state->total_retransmits = tp->total_retrans;
	}
	state->established_ns = bpf_ktime_get_ns();
	if (tp->srtt_us) {
		state->first_rtts[0] = tp->srtt_us >> 3;
		state->rtt_samples = 1;
	}
	send_opened(tp, state, EV_ESTABLISHED, TCP_ESTABLISHED);
}

/* Accepted connections belong to a socket file, or did until the process closed it. */
static __always_inline bool was_accepted(const struct sock *sk)
{
	return sk->sk_socket || (sk->__sk_common.skc_flags & 1 /* SOCK_DEAD */);
}

static __always_inline void accepted(struct tcp_sock *tp, struct conn_state *state)
{
	if (state->accepted || state->direction != EV_IN)
		return;
	state->accepted = 1;
	send_opened(tp, state, EV_ACCEPT, ((struct sock *)tp)->__sk_common.skc_state);
}

static __always_inline void closed(struct sock *sk, struct tcp_sock *tp, __u8 old_state)
{
	bool listener = old_state == TCP_LISTEN;
	struct conn_state *state;
	struct ev_sample *e;

	/* A handshake that failed on our side never was a connection, unless it is a TFO child. */
	if (old_state == TCP_SYN_RECV && !tp->fastopen_rsk)
		return;
	state = new_state(sk);
	if (!state)
		return;
	if (old_state == TCP_SYN_RECV && state->direction == EV_LISTENER)
		inherit_state(state);
	if (!wanted(tp, state))
		return;
	if (send_open && was_accepted(sk))
		accepted(tp, state);
	send_histogram(sk, state, EV_LOST_HISTOGRAM);
	e = event_begin(EV_LOST_RECORDS, listener ? EV_LISTEN_CLOSE : EV_CLOSE, sizeof(*e));
	if (!e)
		return;
	fill_sample(e, tp, state, old_state);
	event_submit(e);
}

static __always_inline void take_over(struct sock *sk)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);
	struct tcp_sock *tp;

	if (!state)
		return;
	/* TCP Fast Open: in use before its handshake is complete. */
	if (sk->__sk_common.skc_state == TCP_SYN_RECV && state->direction == EV_LISTENER)
		inherit_state(state);
	if (state->owner == EV_OWNER_EXACT && (!send_open || state->accepted))
		return;
	if (state->owner != EV_OWNER_EXACT)
		set_owner(state, EV_OWNER_EXACT);
	if (!send_open)
		return;
	tp = full_tcp_sock(sk);
	if (tp)
		accepted(tp, state);
}

#define PF_KTHREAD    0x00200000
#define SHUTDOWN_BOTH 3

/* Whether the current task is the process that calls shutdown() or close(): it holds the socket's
 * lock, which no softirq does, and is no kernel worker that closes what somebody else left. A reset
 * or a killer of connections ends them before they are shut down, or when nobody's file is left.
 */
static __always_inline bool being_closed(const struct sock *sk, __u8 new_tcp_state)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return sk->sk_lock.owned && sk->sk_socket && !(task->flags & PF_KTHREAD) &&
	       (new_tcp_state != TCP_CLOSE || sk->sk_shutdown == SHUTDOWN_BOTH);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old_state, int new_tcp_state)
{
	struct tcp_sock *tp;

	/* A new server socket still carries its listener's cookie here (before 6.18). */
	if (!is_tcp(sk) || new_tcp_state == TCP_SYN_RECV || old_state == new_tcp_state)
		return 0;
	switch (new_tcp_state) {
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		/* Without a hook at every read the first sure sign of whose an accepted connection
		 * is.
		 */
		if (being_closed(sk, new_tcp_state))
			take_over(sk);
		return 0;
	case TCP_ESTABLISHED:
		tp = full_tcp_sock(sk);
		if (tp)
			established(sk, tp, old_state);
		return 0;
	case TCP_CLOSE:
		if (old_state != TCP_LISTEN && being_closed(sk, new_tcp_state))
			take_over(sk);
		tp = full_tcp_sock(sk);
		if (tp)
			closed(sk, tp, old_state);
		return 0;
	case TCP_SYN_SENT:
	case TCP_LISTEN:
		tp = full_tcp_sock(sk);
		if (tp)
			opened(sk, tp, new_tcp_state);
	}
	return 0;
}

/* The first read in the context of the process that accepted. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(on_receive, struct sock *sk)
{
	take_over(sk);
	return 0;
}

/* Servers that speak first. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk)
{
	if (is_tcp(sk))
		take_over(sk);
	return 0;
}

/* Where fexit is allowed accept() itself tells the owner, once per connection instead of at each
 * read. The function lost two of its four arguments in 6.10.
 */
SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept, struct sock *listener, void *arg, struct sock *sk)
{
	if (sk)
		take_over(sk);
	return 0;
}

SEC("fexit/inet_csk_accept")
int BPF_PROG(on_accept_before_6_10, struct sock *listener, int flags, int *err, bool kern,
	     struct sock *sk)
{
	if (sk)
		take_over(sk);
	return 0;
}

struct listen_key {
	__u32 netns;
	__u32 port;
};

/* Which ports are listened on: tells accepted sockets from connected ones among the old. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct listen_key);
	__type(value, __u8);
} listen_ports SEC(".maps");

/* The kernel does not keep who opened a connection. A pass over a namespace meets its listeners
 * first. */
static __always_inline enum ev_direction direction_of(const struct sock *sk)
{
	const struct sock_common *c = &sk->__sk_common;
	struct listen_key key = {.netns = c->skc_net.net->ns.inum, .port = c->skc_num};
	__u8 yes = 1;

	if (c->skc_state != TCP_LISTEN)
		return bpf_map_lookup_elem(&listen_ports, &key) ? EV_IN : EV_OUT;
	bpf_map_update_elem(&listen_ports, &key, &yes, BPF_ANY);
	return EV_LISTENER;
}

/* A socket that is older than we are gets its state when a pass first meets it. */
static __always_inline struct conn_state *adopt(struct sock *sk, struct tcp_sock *tp)
{
	struct conn_state *state = bpf_sk_storage_get(&states, sk, 0, 0);

	if (state)
		return state;
	state = new_state(sk);
	if (state) {
		state->retransmits_unknown = tp->total_retrans;
		state->total_retransmits = tp->total_retrans;
		state->accepted = 1;
	}
	return state;
}

__u32 files_look = 0; /* user space counts them */

/* Every socket that a process holds, in all network namespaces; the first of several holders. Who
 * held it in an earlier look may have passed it on since.
 */
SEC("iter/task_file")
int adopt_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct conn_state *state;
	struct socket *socket;
	struct tcp_sock *tp;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_tcp(sk) || sk->__sk_common.skc_state == TCP_CLOSE)
		return 0;
	tp = full_tcp_sock(sk);
	if (!tp)
		return 0;
	state = adopt(sk, tp);
	if (!state || state->owner > EV_OWNER_FILE ||
	    (state->owner == EV_OWNER_FILE && state->files_look == files_look))
		return 0;
	state->owner = EV_OWNER_FILE;
	state->files_look = files_look;
	state->pid = task->tgid;
	state->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_probe_read_kernel(state->comm, sizeof(state->comm), task->group_leader->comm);
	return 0;
}

#define SOL_TCP			  6
#define TCP_BPF_SOCK_OPS_CB_FLAGS 1008

/* All sockets of the namespace of the thread that opens the iterator, also those without a process.
 * Asks for RTT callbacks on them (6.12; earlier kernels answer EINVAL and old sockets stay
 * without).
 */
SEC("iter/tcp")
int adopt_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct conn_state *state;
	struct tcp_sock *tp;
	int flags = 0;

	if (!common)
		return 0;
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	state = adopt((struct sock *)tp, tp);
	if (!state)
		return 0;
	if (!state->direction)
		state->direction = direction_of((struct sock *)tp);
	if (common->skc_state == TCP_LISTEN)
		return 0;
	if (bpf_getsockopt(tp, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags)))
		return 0;
	flags |= BPF_SOCK_OPS_RTT_CB_FLAG;
	bpf_setsockopt(tp, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
