/* SPDX-License-Identifier: GPL-2.0-only */
/* Every byte that crosses from the kernel to user space is described here and nowhere else. The
 * same header is compiled by clang for BPF and by g++ for user space, and the same bytes are what
 * history and recordings hold: fixed widths, explicit padding, append only, numbers never reused.
 */
#ifndef BPF_EVENTS_H
#define BPF_EVENTS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum ev_kind {
	EV_CONNECT = 1,		  /* ev_open: connect() is about to send the SYN */
	EV_ESTABLISHED = 2,	  /* ev_open: the handshake is complete */
	EV_ACCEPT = 3,		  /* ev_open: a process has taken the connection over */
	EV_LISTEN = 4,		  /* ev_open: listen() */
	EV_CLOSE = 5,		  /* ev_sample: the last counters of a connection */
	EV_LISTEN_CLOSE = 6,	  /* ev_sample: the last counters of a listener */
	EV_SAMPLE = 7,		  /* ev_sample: the counters of a live socket */
	EV_RETRANSMIT = 8,	  /* ev_retransmit */
	EV_RESET = 9,		  /* ev_reset */
	EV_DROP = 10,		  /* ev_drop */
	EV_CONGESTION_STATE = 11, /* ev_congestion_state */
	EV_HISTOGRAM = 12,	  /* ev_histogram */
	EV_RTT = 13,		  /* ev_rtt: one ACK of a connection watched in deep mode */

	/* Made by user space on its tick, so that history and recordings hold all inputs. */
	EV_TICK = 100,		  /* ev_tick: the end of a sampling pass */
	EV_DROP_COUNT = 101,	  /* ev_drop_count: the kernel's count of one kind of drop */
	EV_LISTEN_OVERFLOW = 102, /* ev_listen_overflow: derived from a listener's counters */
};

struct ev_header {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u16 kind;    /* enum ev_kind */
	__u16 size;    /* of the whole event, header included */
	__u32 cpu;
};

enum ev_direction {
	EV_DIRECTION_UNKNOWN = 0,
	EV_OUT = 1, /* we connected */
	EV_IN = 2,  /* we accepted */
	EV_LISTENER = 3,
};

/* Where pid, comm and cgroup come from; a higher number replaces a lower one. */
enum ev_owner {
	EV_OWNER_UNKNOWN = 0,
	EV_OWNER_LISTENER = 1, /* inherited from the process that called listen() */
	EV_OWNER_FILE = 2,     /* a process held the socket open when we looked */
	EV_OWNER_EXACT = 3, /* the process that connected, listened or used the accepted socket */
};

#define EV_COMM_SIZE		16
#define EV_CONGESTION_NAME_SIZE 16
#define EV_FIRST_RTTS		4

struct ev_conn {
	__u64 cookie;	/* SO_COOKIE: stable for the life of the socket; 0: no socket is known */
	__u8 local[16]; /* IPv4 is stored as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u16 local_port; /* ports are in host byte order */
	__u16 remote_port;
	__u32 netns;	/* inode number */
	__u64 start_ns; /* 0: open before we looked */
	__u64 cgroup;	/* cgroup2 id of the owner */
	__u32 uid;
	__u32 pid;
	__u8 owner;	/* enum ev_owner */
	__u8 direction; /* enum ev_direction */
	__u8 state;	/* the kernel's TCP_ESTABLISHED, ... */
	__u8 deep;	/* watched at every ACK */
	__u32 pad;
	char comm[EV_COMM_SIZE]; /* not always terminated, may hold any byte */
};

struct ev_open {
	struct ev_header header;
	struct ev_conn conn;
};

enum ev_end_flags {
	EV_END_FIN_SENT = 1 << 0,
	EV_END_FIN_ACKED = 1 << 1,
	EV_END_FIN_RECEIVED = 1 << 2,
	EV_END_RESET_SENT = 1 << 3,
	EV_END_RESET_RECEIVED = 1 << 4,
};

enum ev_option_flags {
	EV_OPT_TIMESTAMPS = 1 << 0,
	EV_OPT_SACK = 1 << 1,
	EV_OPT_WINDOW_SCALE = 1 << 2,
	EV_OPT_ECN = 1 << 3,
	EV_OPT_FASTOPEN = 1 << 4,
	EV_OPT_APP_LIMITED = 1 << 5, /* the delivery rate was limited by the application */
	EV_OPT_CWND_LIMITED = 1 << 6,
	EV_OPT_ECN_SEEN = 1 << 7, /* a packet with ECT arrived */
	EV_OPT_SNDBUF_LOCKED = 1 << 8,
	EV_OPT_RCVBUF_LOCKED = 1 << 9,
};

/* Counters of one socket at one time. Times are microseconds unless the name says otherwise; chrono
 * and ages are milliseconds; sequence-number artefacts (SYN, FIN) are already taken off tx and rx.
 */
struct ev_sample {
	struct ev_header header;
	struct ev_conn conn;

	__u64 established_ns; /* 0: never, or before we looked */
	__u64 tx_bytes;	      /* payload acknowledged by the peer */
	__u64 rx_bytes;	      /* payload received in order */
	__u64 retransmitted_bytes;
	__u64 pacing_rate; /* bytes per second; ~0: not paced */

	__u32 segs_out;
	__u32 segs_in;
	__u32 data_segs_out;
	__u32 data_segs_in;
	__u32 retransmitted;	   /* segments, all kinds, since the connection began */
	__u32 retransmits_unknown; /* of these: unseen, so of unknown kind: before we looked, say */
	__u32 retransmits_rto;
	__u32 retransmits_fast;
	__u32 retransmits_tlp;
	__u32 retransmits_syn; /* SYN or SYN-ACK */
	__u32 dsack_dups;
	__u32 undos;	  /* recoveries that the kernel took back as needless */
	__u32 recoveries; /* entries into fast recovery */
	__u32 losses;	  /* entries into loss state (RTO) */
	__u32 delivered;
	__u32 delivered_ce;
	__u32 lost;
	__u32 reord_seen;
	__u32 rcv_ooopack;
	__u32 drops;	/* harmful drops tied to this socket */
	__u32 sk_drops; /* the socket's own counter; listener: overflows */

	__u32 srtt_us; /* 0: no sample yet */
	__u32 rttvar_us;
	__u32 min_rtt_us; /* ~0: no sample yet */
	__u32 rto_us;
	__u32 rcv_rtt_us;

	__u32 cwnd;
	__u32 ssthresh;
	__u32 in_flight;
	__u32 mss;
	__u32 rcv_mss;
	__u32 advmss;
	__u32 reordering;
	__u32 snd_wnd;
	__u32 rcv_wnd;
	__u32 delivery_segs; /* delivered in delivery_us: the kernel's rate sample */
	__u32 delivery_us;

	__u32 send_queue;    /* bytes written and not yet acknowledged */
	__u32 not_sent;	     /* of these: not yet sent */
	__u32 receive_queue; /* bytes not yet read; listener: connections not yet accepted */
	__u32 sndbuf;
	__u32 rcvbuf;
	__u32 wmem_queued;
	__u32 rmem_alloc;
	__u32 backlog; /* listener: the limit of its accept queue */

	__u32 busy_ms; /* time with data outstanding and neither limit below in force */
	__u32 rwnd_limited_ms;
	__u32 sndbuf_limited_ms;
	__u32 last_sent_ms; /* ages */
	__u32 last_received_ms;
	__u32 last_ack_ms;

	__u32 rtt_samples;
	__u32 first_rtts[EV_FIRST_RTTS]; /* all of them while rtt_samples <= EV_FIRST_RTTS */

	__u16 options; /* enum ev_option_flags */
	__u8 snd_wscale;
	__u8 rcv_wscale;
	__u8 ca_state;
	__u8 backoff;
	__u8 probes;
	__u8 old_state; /* close: the state before */
	__u16 error;	/* close: errno given to the application */
	__u8 end;	/* close: enum ev_end_flags */
	__u8 pad;
	char congestion[EV_CONGESTION_NAME_SIZE];
	__u32 idle_restarts;	   /* pauses after which the kernel cut the window */
	__u32 restart_cwnd_before; /* of the newest of them */
	__u32 restart_cwnd_after;
	__u32 restart_pause_ms;
	__u32 pad2;
};

enum ev_retransmit_kind {
	EV_RETRANSMIT_RTO = 1,
	EV_RETRANSMIT_FAST = 2,
	EV_RETRANSMIT_TLP = 3,
	EV_RETRANSMIT_SYN = 4,
	EV_RETRANSMIT_SYNACK = 5,
};

struct ev_retransmit {
	struct ev_header header;
	struct ev_conn conn;
	__u32 segments;
	__u32 bytes;
	__u32 sequence;
	__u16 error; /* errno when it could not be sent */
	__u8 kind;   /* enum ev_retransmit_kind */
	__u8 ca_state;
};

#define EV_NO_REASON (~0U)

struct ev_reset {
	struct ev_header header;
	struct ev_conn conn; /* cookie 0: sent for a packet without a socket */
	__u32 reason; /* the running kernel's enum sk_rst_reason; EV_NO_REASON: it has none */
	__u8 sent;
	__u8 pad[3];
};

struct ev_drop {
	struct ev_header header;
	struct ev_conn conn; /* cookie 0: only the packet's addresses are known */
	__u64 location;	     /* kernel address */
	__u32 reason;	     /* the running kernel's enum skb_drop_reason */
	__u32 length;
	__u32 sequence;
	__u16 protocol; /* Ethernet type */
	__u8 flags;	/* TCP flags of the packet */
	__u8 incoming;
};

struct ev_congestion_state {
	struct ev_header header;
	struct ev_conn conn;
	__u32 cwnd;
	__u32 ssthresh;
	__u8 old_state; /* TCP_CA_Open, ... */
	__u8 new_state;
	__u8 undone; /* the recovery was needless and taken back */
	__u8 pad[5];
	__u32 rtt_us; /* the newest sample */
	__u32 srtt_us;
	__u32 rttvar_us;
	__u32 min_rtt_us; /* ~0: no sample yet */
};

struct ev_rtt {
	struct ev_header header;
	struct ev_conn conn;
	__u32 rtt_us;
	__u32 srtt_us;
	__u32 cwnd;
	__u32 ssthresh;
	__u32 in_flight;
	__u32 snd_wnd;
};

/* Log-linear: values below 16 have a bucket each, above that every power of two has 8. A bucket's
 * middle is at most 6.25% from any value in it. Values are microseconds, at most 2^27 - 1 (134 s).
 */
#define EV_RTT_LIMIT   (1U << 27)
#define EV_RTT_BUCKETS 200

struct ev_histogram {
	struct ev_header header;
	__u64 cookie;
	__u32 samples;
	__u32 pad;
	__u32 buckets[EV_RTT_BUCKETS];
};

/* What could not be told to user space, by cause. */
enum ev_loss {
	EV_LOST_RECORDS = 0,   /* ring full: a lifecycle record */
	EV_LOST_EVENTS = 1,    /* ring nearly full: an event */
	EV_LOST_SAMPLES = 2,   /* ring half full: a sample, after its pass gave up waiting */
	EV_LOST_STATE = 3,     /* no memory for a socket's storage */
	EV_LOST_HISTOGRAM = 4, /* no memory for, or no room to send, an RTT histogram */
	EV_LOST_DROP_KEYS = 5, /* drop table full */
	EV_LOST_RATE = 6,      /* drop events above the rate limit (they are still counted) */
	/* A program that is interrupted by itself does not run: the kernel counts that, not we. */
	EV_LOST_MISSED = 7,
	EV_LOST_RETRANSMITS = 8, /* segments that a socket counted and no program was told of */
	/* Of a recording alone: what was known, but could not be written as fast as it came. */
	EV_LOST_NOT_RECORDED = 9,
	EV_LOSSES,
};

struct ev_drop_key {
	__u64 location;
	__u32 reason;
	__u32 netns;
	__u16 protocol;
	__u16 pad[3];
};

struct ev_tick {
	struct ev_header header;
	__s64 realtime_offset_ns; /* realtime minus monotonic clock */
	__u64 lost[EV_LOSSES];	  /* since the start */
	__u64 benign_drops;	  /* since the start */
	__u64 cpu_ns;		  /* our own CPU time since the start */
	__u64 bpf_ns_per_s;	  /* of our programs, when last measured; ~0: not measured */
	__u8 complete;		  /* the pass visited every socket, changed or not */
	__u8 sampled;		  /* the pass visited connections, not listeners alone */
	__u8 pad[6];
};

struct ev_drop_count {
	struct ev_header header;
	struct ev_drop_key key;
	__u64 count; /* since the programs were loaded */
};

struct ev_listen_overflow {
	struct ev_header header;
	struct ev_conn conn;
	__u32 count; /* connection attempts dropped since the last sample */
	__u32 queued;
	__u32 backlog;
	__u32 pad;
};

/* Conditions on a connection that the kernel can decide. A zero mask, port or id accepts all. */
struct ev_filter {
	__u8 local[16], local_mask[16];
	__u8 remote[16], remote_mask[16];
	__u16 local_port, remote_port, port; /* port: either end */
	__u16 pad;
	__u32 netns;
	__u32 pid;
	__u64 cgroup;
};

/* What user space wants to be told about a connection, by cookie. */
enum ev_want {
	EV_WANT_HISTOGRAM = 1 << 0,
	EV_WANT_DEEP = 1 << 1,
};

#endif
